"""The tiny policy's tokenizer: a small BPE with Qwen's special tokens and the AoT tokens, as a `Qwen2Tokenizer`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from combatvla.actions import Action
from combatvla.aot import AOT_TOKENS, CAMERA_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen2Tokenizer

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""In the order in which Qwen2.5-VL numbers them."""

IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}" + IMAGE + "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen2.5-VL's, without the system message that it puts in when there is none."""

BASE_CORPUS = (
    "system",
    "user",
    "assistant",
    "the enemy winds up a quick, slam, delayed, sweep, thrust, leap, grab, ranged",
    "step back, dodge, sidestep, block, punish, close in, strike, wait",
    "health is low, stamina is low, near, far, left, right, heal, skill ready, light attack, heavy attack",
)


def train_tokenizer(corpus: Iterable[str], vocab_size: int = 1024, camera: Collection[Action] = ()) -> Qwen2Tokenizer:
    """A tokenizer whose merges come from `corpus`; at most `vocab_size` tokens, the special and AoT ones included, and
    those of the `camera` actions."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS) - len(AOT_TOKENS) - len(camera),
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator([*BASE_CORPUS, *corpus], trainer)
    state = json.loads(bpe.to_str())["model"]
    tokenizer = Qwen2Tokenizer(vocab=state["vocab"], merges=[tuple(m) for m in state["merges"]])
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS])
    add_aot_tokens(tokenizer, camera)
    tokenizer.eos_token = "<|im_end|>"
    tokenizer.pad_token = "<|endoftext|>"
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def add_aot_tokens(tokenizer: PreTrainedTokenizerBase, camera: Collection[Action] = ()) -> None:
    """Gives `tokenizer` the AoT tokens that it lacks (a published Qwen's lacks all), those of the `camera` actions
    included. They are not "special": `decode(skip_special_tokens=True)` keeps them."""
    from tokenizers import AddedToken

    tokens = (*AOT_TOKENS, *(token for a, token in CAMERA_TOKENS.items() if a in camera))
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in tokens])


def prefix_ids(tokenizer: Any, system: str | None, image_tokens: int, frames: int) -> list[int]:
    """Token ids of what stands before every question: the system message and `frames` pictures. Training and play."""
    head = "" if system is None else f"<|im_start|>system\n{system}<|im_end|>\n"
    image = "<|vision_start|>" + "<|image_pad|>" * image_tokens + "<|vision_end|>"
    return tokenizer(f"{head}<|im_start|>user\n" + image * frames).input_ids


def question(text: str) -> str:
    """The user's `text` after the pictures, up to where the assistant begins."""
    return f"{text}<|im_end|>\n<|im_start|>assistant\n"
