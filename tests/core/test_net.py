"""Our batched forward against Hugging Face's, and our patches against its image processor's."""

import numpy as np
import pytest
import torch

from combatvla.policy import ops
from combatvla.policy.build import PRESETS, build_model, patchify
from combatvla.policy.checkpoint import load_checkpoint
from combatvla.policy.net import Cache, Net, text_positions
from combatvla.policy.ops import JoinedOps, Ops, PackedOps
from combatvla.policy.tokenizer import train_tokenizer
from combatvla.vision import FrameSpec


def test_patches_are_those_of_the_image_processor(pictures):
    from PIL import Image
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    theirs = Qwen2VLImageProcessorPil()([Image.fromarray(p) for p in pictures], return_tensors="pt")
    ours = patchify(torch.from_numpy(pictures))
    assert theirs["image_grid_thw"].tolist() == [[1, 8, 14]] * 4
    torch.testing.assert_close(ours.flatten(0, 1), theirs["pixel_values"], atol=1e-6, rtol=0)


def hugging_face(model, tokenizer, text, pictures, spec):
    """Its logits, and the inputs."""
    ids = torch.tensor([tokenizer(text).input_ids])
    grid = torch.tensor([[1, *spec.grid]] * len(pictures))
    kinds = (ids == model.config.image_token_id).int()
    patches = patchify(torch.from_numpy(pictures)).flatten(0, 1)
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=patches, image_grid_thw=grid, mm_token_type_ids=kinds)
    theirs, _ = model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grid)
    return out.logits, ids, theirs


def logits(net, ids, pictures):
    """Ours, and the positions of the tokens."""
    positions = text_positions(ids[0] == net.model.config.image_token_id, net.spec)
    with torch.no_grad():
        x = net.embed(ids, net.vision(torch.from_numpy(pictures)))
        return net.logits(net.text(x, net.rope(positions[:, None]))), positions


@pytest.mark.parametrize(
    ("preset", "size", "window"),
    [
        ("XS", (196, 112), 448),
        ("S", (196, 112), 448),
        ("XS", (112, 196), 448),
        ("XS", (196, 112), 112),
        ("XS", (112, 224), 56),
    ],
    ids=["XS", "S", "upright", "windows that do not fit", "windows that fit"],
)
def test_same_logits_as_hugging_face(preset, size, window):
    spec = FrameSpec(*size)
    pictures = np.random.default_rng(1).integers(0, 256, (2, spec.height, spec.width, 3), dtype=np.uint8)
    tokenizer = train_tokenizer(["which action comes next"])
    model = build_model(preset, tokenizer).eval()
    model.config.vision_config.window_size = model.model.visual.window_size = window
    model.model.visual.fullatt_block_indexes = [1]
    image = "<|vision_start|>" + "<|image_pad|>" * spec.tokens + "<|vision_end|>"
    text = f"<|im_start|>user\n{image}then {image}which action<|im_end|>\n<|im_start|>assistant\n<dodge><t200>"
    theirs, ids, their_positions = hugging_face(model, tokenizer, text, pictures, spec)
    for kind in (Ops(), JoinedOps(model), PackedOps(model)):
        ours, positions = logits(Net(model, spec, kind), ids, pictures)
        assert torch.equal(positions, their_positions[:, 0])
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    net = Net(model, spec)
    assert (net.windows == 1) == (window == 448) and (net.padding is not None) == (window == 112)


def test_keys_and_values_kept_give_the_same_as_one_pass(tiny_folder, pictures):
    model, tokenizer, info = load_checkpoint(tiny_folder)
    net = Net(model, info.spec)
    ids = torch.tensor([tokenizer("<|im_start|>user\nhello<|im_end|>\n<dodge><t100>").input_ids])
    positions = text_positions(torch.zeros(ids.shape[1], dtype=torch.bool), info.spec)[:, None]
    cos, sin = net.rope(positions)
    with torch.no_grad():
        x = model.model.language_model.embed_tokens(ids)
        whole = net.text(x, (cos, sin))
        cache, parts, slots = Cache(model, 20), [], torch.arange(20)
        for part in (slice(0, 3), slice(3, 6), slice(6, 7), slice(7, ids.shape[1])):
            parts.append(net.text(x[:, part], (cos[:, part], sin[:, part]), cache=cache, at=part))
        again = Cache(model, 20)
        net.text(x[:, :6], (cos[:, :6], sin[:, :6]), cache=again, at=slice(0, 6))
        at = torch.arange(6, ids.shape[1])  # as on a GPU: in named slots of the whole buffers
        later = net.text(x[:, at], (cos[:, at], sin[:, at]), slots <= at[:, None], again, at)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(later, whole[:, 6:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [JoinedOps, PackedOps])
def test_what_was_quicker_is_taken(tiny_folder, monkeypatch, kind):
    model, _, _ = load_checkpoint(tiny_folder)
    monkeypatch.setattr(ops, "_seconds", lambda found, model: float(type(found) is not kind))
    assert type(ops.fastest(model)) is kind
    assert type(ops.fastest(model.bfloat16())) is Ops


def test_presets_are_small_enough_to_ship():
    tokenizer = train_tokenizer(["x"])
    for preset in PRESETS:
        assert sum(p.numel() for p in build_model(preset, tokenizer).parameters()) * 2 < 32e6
