"""A policy's folder played by vLLM in this process, greedily, with the prompt and under the grammar of `local`.

    policy = load_vllm("tiny")

vLLM holds the text to the grammar by a regular expression of its steps, and the tokens to the AoT ones; it stops at
`<TRUNC>`. Its prefix cache keeps what the prompt began with the last time, and what was seen of a picture.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from combatvla.aot import THEN, ParseCounts, decode_or_wait
from combatvla.errors import UserError, reason
from combatvla.policy.base import Decision, Frame, last_frames
from combatvla.policy.checkpoint import PolicyInfo, policy_folder, read_info
from combatvla.policy.grammar import MAX_TOKENS, Grammar
from combatvla.policy.guides import THOUGHT, steps_regex
from combatvla.policy.serve import CACHE_GIB, NOT_INSTALLED, longest
from combatvla.policy.tokenizer import prefix_ids, question

if TYPE_CHECKING:
    from vllm import LLM, SamplingParams
    from vllm.outputs import CompletionOutput


def load_vllm(name_or_path: str | Path) -> VllmPolicy:
    """The policy in a folder, or `tiny`, under vLLM. `UserError` when vLLM is not installed or does not take it."""
    folder = policy_folder(name_or_path)
    info = read_info(folder)
    if info.dialect != "compact":
        raise UserError(f"{folder} writes the {info.dialect} dialect: vllm: decodes the compact one")
    if importlib.util.find_spec("vllm") is None:
        raise UserError(NOT_INSTALLED)
    settings = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in this process: no way to another one and back
        "VLLM_CPU_KVCACHE_SPACE": str(CACHE_GIB),
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
    }
    for variable, value in settings.items():
        os.environ.setdefault(variable, value)
    try:
        from vllm import LLM
        from vllm.platforms import current_platform
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(f"vLLM cannot be used: {reason(error)}; docs/policies.md says what it needs") from error
    cpu = current_platform.is_cpu()
    if cpu:  # one core is the game's: with a thread on each, they wait for each other (p95 425 ms instead of 37 on two)
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    try:
        llm = LLM(
            str(folder),
            load_format="safetensors",  # never pickles
            dtype="float32" if cpu else "bfloat16",
            enforce_eager=cpu,  # compiling takes half a minute and gains little there
            enable_prefix_caching=True,
            max_model_len=longest(info),
            max_num_seqs=1,
            limit_mm_per_prompt={"image": info.frames_per_decision, "video": 0},
            mm_processor_cache_gb=0.25,
            kv_cache_memory_bytes=None if cpu else CACHE_GIB << 30,
            disable_log_stats=True,
            use_tqdm_on_load=False,
        )
    except Exception as error:  # whatever vLLM finds wrong with a folder
        raise UserError(f"vLLM cannot load {folder}: {reason(error)}") from error
    return VllmPolicy(llm, info, name=f"vllm:{folder.name}")


class VllmPolicy:
    """Implements `Policy` over `llm`."""

    needs_truth = False

    def __init__(self, llm: LLM, info: PolicyInfo, *, name: str) -> None:
        self.llm, self.info, self.name, self.spec = llm, info, name, info.spec
        self.frames_per_decision, self.frame_gap_ms = info.frames_per_decision, info.frame_gap_ms
        self.counts = ParseCounts()
        self.tokenizer = llm.get_tokenizer()
        vocabulary = llm.model_config.get_vocab_size()
        self.grammar = Grammar(self.tokenizer, vocabulary, info.order, info.camera)
        # One image token a frame: vLLM puts in as many as the picture has.
        self.prompt = prefix_ids(self.tokenizer, info.system, 1, self.frames_per_decision)
        self.prompt += self.tokenizer(question(info.prompt)).input_ids
        steps = steps_regex(info.camera)
        if info.order == "action_first":
            self._decides = self._params(steps, self.grammar.trunc, self.grammar.aot)
        else:
            self._decides = self._params(f"(?:{THOUGHT})?{steps}", self.grammar.end, self._not_spelt_out())
        self._number = 0
        self.reset()
        blank = Frame(np.zeros((self.spec.height, self.spec.width, 3), np.uint8), 0)
        self.decide([blank])  # the first pass is slow, and compiles the grammar: not in a fight
        self.counts = ParseCounts()
        self.reset()

    def _not_spelt_out(self) -> list[int]:
        """All tokens but those with which `<dodge>` could be written without the token `<dodge>`."""
        words = self.grammar.words
        written = self.tokenizer.convert_ids_to_tokens(words)
        words = [i for i, text in zip(words, written, strict=True) if "<" not in text]
        return [*words, *self.grammar.aot, self.grammar.end]

    def _params(self, regex: str, stop: int, allowed: Sequence[int] | None = None) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        # vLLM adds the stop tokens after the regular expression by itself.
        return SamplingParams(
            temperature=0,
            max_tokens=MAX_TOKENS,
            stop_token_ids=[stop],
            allowed_token_ids=None if allowed is None else list(allowed),
            structured_outputs=StructuredOutputsParams(regex=regex),
            detokenize=False,
        )

    def reset(self, seed: int | None = None) -> None:
        """Forgets the last decision; decoding is greedy, so there is no seed to set."""
        self.said: list[int] = []
        """The token ids of the last decision."""
        self._pictures: list[Any] = []

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        """Decides from the last `frames_per_decision` of `frames` (any size); missing ones repeat the oldest.

        After `deadline_ns` it stops: completed steps stand, a step without a duration becomes a tap, nothing a `wait`.
        `timings_ms`: `preprocess`, `decode` (all that vLLM does), `total`.
        """
        from PIL import Image

        clock = [time.perf_counter()]
        frames = last_frames(frames, self.frames_per_decision)
        self._pictures = [Image.fromarray(self.spec.prepare(frame.pixels)) for frame in frames]
        clock.append(time.perf_counter())
        self.said, end = self._generate(self.prompt, self._decides, deadline_ns)
        text = self.tokenizer.decode(self.said)
        if end == "stop":
            aot, parsed = decode_or_wait(
                text.removesuffix(self.tokenizer.eos_token), "compact", self.info.order, self.counts
            )
            plan, explanation = aot.plan, " ".join(aot.explanations) or None
        else:
            plan, parsed, explanation = self.grammar.plan_so_far(self.said), True, None
        clock.append(time.perf_counter())
        preprocess, spent = (1000 * (b - a) for a, b in zip(clock, clock[1:], strict=False))
        timings = {"preprocess": preprocess, "decode": spent, "total": preprocess + spent}
        return Decision(plan, explanation, text, len(self.said), parsed, timings)

    def explain_last(self, *, deadline_ns: int | None = None) -> str | None:
        """Why the last decision was taken: goes on after its `<TRUNC>`, from what vLLM still has in its cache. None
        when it was not finished, says nothing, or was not done by `deadline_ns` (monotonic)."""
        if self.grammar.trunc not in self.said:
            return None
        thens = self.said.count(self.grammar.then)
        regex = f"(?:[^<>]+(?:{THEN}[^<>]+){{{thens}}})?"
        params = self._params(regex, self.grammar.end)
        said, end = self._generate([*self.prompt, *self.said], params, deadline_ns)
        if end is None:
            return None
        text = self.tokenizer.decode([t for t in said if t != self.grammar.end])
        return text.replace(THEN, "; ").strip() or None

    def _generate(
        self, prompt: Sequence[int], params: SamplingParams, deadline_ns: int | None
    ) -> tuple[list[int], str | None]:
        """What the model says after `prompt`, and why it ended: `stop`, `length`, or None when the deadline did it."""
        engine = self.llm.llm_engine
        self._number += 1
        asked = str(self._number)
        content = {"prompt_token_ids": list(prompt), "multi_modal_data": {"image": self._pictures}}
        engine.add_request(asked, content, params)
        last: CompletionOutput | None = None
        while engine.has_unfinished_requests():
            for output in engine.step():
                if output.request_id == asked:
                    last = output.outputs[0]
            if deadline_ns is not None and time.monotonic_ns() > deadline_ns and engine.has_unfinished_requests():
                engine.abort_request([asked])
                break
        return ([], None) if last is None else (list(last.token_ids), last.finish_reason)
