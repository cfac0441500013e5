"""The policy's folder: an ordinary Hugging Face folder, the same after a round trip, and clear words for any other."""

import json
import os
import shutil
import subprocess

import pytest
import torch

from combatvla.aot import AOT_TOKENS
from combatvla.errors import UserError
from combatvla.policy.build import build_model, patchify
from combatvla.policy.checkpoint import PolicyInfo, load_checkpoint, read_info, save_checkpoint
from combatvla.policy.local import load_policy
from combatvla.policy.tokenizer import SPECIAL_TOKENS, train_tokenizer


def test_tokenizer_has_qwens_specials_in_order_and_one_token_an_action():
    tokenizer = train_tokenizer(["roll away from the slam"])
    ids = tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))
    assert ids == list(range(ids[0], ids[0] + len(SPECIAL_TOKENS)))
    assert tokenizer.eos_token == "<|im_end|>" and tokenizer.pad_token == "<|endoftext|>"
    for token in AOT_TOKENS:
        assert len(tokenizer(token).input_ids) == 1
    text = "<|im_start|>assistant\n<move_left><dodge><t200><then><wait><t50><TRUNC>roll away: ä 龍<|im_end|>\n"
    ids = tokenizer(text).input_ids
    assert tokenizer.decode(ids) == text
    assert "<move_left><dodge><t200>" in tokenizer.decode(ids, skip_special_tokens=True)


def test_folder_loads_with_the_auto_classes_and_gives_the_same_logits(tiny_folder, pictures):
    from transformers import AutoModelForImageTextToText, AutoTokenizer
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    ours, our_tokenizer, info = load_checkpoint(tiny_folder)
    theirs = AutoModelForImageTextToText.from_pretrained(tiny_folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    assert type(theirs) is type(ours) and len(tokenizer) == len(our_tokenizer)
    assert AutoModelForImageTextToText.from_pretrained(tiny_folder).dtype == torch.bfloat16
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": info.prompt}]}
    text = tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    text = text.replace("<|image_pad|>", "<|image_pad|>" * info.spec.tokens)
    ids = torch.tensor([tokenizer(text).input_ids])
    processor = Qwen2VLImageProcessorPil.from_pretrained(tiny_folder)
    pixels = processor([pictures[0]], return_tensors="pt")
    torch.testing.assert_close(pixels["pixel_values"], patchify(torch.from_numpy(pictures[:1]))[0], atol=1e-6, rtol=0)
    kinds = (ids == ours.config.image_token_id).int()
    with torch.no_grad():
        a, b = (m.eval()(input_ids=ids, mm_token_type_ids=kinds, **pixels).logits for m in (ours, theirs))
    assert torch.equal(a, b)
    assert not list(tiny_folder.glob("*.bin")) and not list(tiny_folder.glob("*.pt"))


def test_saving_over_a_checkpoint_replaces_it_whole(tiny_folder, tmp_path):
    model, tokenizer, info = load_checkpoint(tiny_folder)
    target = tmp_path / "policy"
    shutil.copytree(tiny_folder, target)
    (target / "stale.txt").write_text("old")
    save_checkpoint(target, model, tokenizer, info)
    again, _, same = load_checkpoint(target)
    assert same == info and sorted(p.name for p in tmp_path.iterdir()) == ["policy"]
    assert not (target / "stale.txt").exists()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_nothing_but_a_checkpoint_is_ever_replaced(tiny_folder, tmp_path):
    model, tokenizer, info = load_checkpoint(tiny_folder)
    photos, empty, backup = (tmp_path / name for name in ("photos", "policy", "policy.old"))
    for folder in (photos, empty, backup):
        folder.mkdir()
    for folder in (photos, backup):
        (folder / "mine.txt").write_text("the only copy")
    for target in (photos, photos / "mine.txt", "."):
        with pytest.raises(UserError, match="is no CombatVLA checkpoint"):
            save_checkpoint(target, model, tokenizer, info)
    for _ in range(2):
        save_checkpoint(empty, model, tokenizer, info)
    assert [(folder / "mine.txt").read_text() for folder in (photos, backup)] == ["the only copy"] * 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "policy", "policy.old"]


def damage(folder, what):
    if what == "no info":
        (folder / "combatvla.json").unlink()
    elif what == "future version":
        info = json.loads((folder / "combatvla.json").read_text())
        (folder / "combatvla.json").write_text(json.dumps(info | {"version": 99}))
    elif what == "odd size":
        info = json.loads((folder / "combatvla.json").read_text())
        (folder / "combatvla.json").write_text(json.dumps(info | {"width": 100}))
    elif what == "another model":
        (folder / "config.json").write_text('{"model_type": "bert"}')
    elif what == "no config":
        (folder / "config.json").unlink()
    elif what == "pickled weights":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    elif what == "cut weights":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    elif what == "foreign tokenizer":
        from transformers import Qwen2Tokenizer

        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        Qwen2Tokenizer().save_pretrained(folder)


@pytest.mark.parametrize(
    "what",
    [
        "no info",
        "future version",
        "odd size",
        "another model",
        "no config",
        "pickled weights",
        "cut weights",
        "foreign tokenizer",
    ],
)
def test_foreign_and_damaged_folders_get_one_clear_sentence(tiny_folder, tmp_path, what):
    folder = tmp_path / "bad"
    shutil.copytree(tiny_folder, folder)
    damage(folder, what)
    with pytest.raises(UserError) as caught:
        load_policy(folder)
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/shm"), reason="needs a small file system to fill")
def test_a_full_disk_leaves_the_old_checkpoint(tiny_folder, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("may not mount a small file system here")
    try:
        model, tokenizer, info = load_checkpoint(tiny_folder)
        save_checkpoint(small / "policy", model, tokenizer, info)
        with pytest.raises(UserError, match="cannot write the checkpoint"):
            save_checkpoint(small / "policy", model, tokenizer, info)
        assert load_checkpoint(small / "policy")[2] == info
        assert [p.name for p in small.iterdir()] == ["policy"]
    finally:
        subprocess.run(["umount", small], check=True)


def test_missing_folder_and_unknown_preset(tmp_path):
    with pytest.raises(UserError, match="no checkpoint at"):
        read_info(tmp_path / "nowhere")
    with pytest.raises(UserError, match="unknown preset"):
        build_model("XXL", train_tokenizer(["x"]))
    with pytest.raises(ValueError):
        PolicyInfo(prompt="x", frames_per_decision=0)
