"""Supervised fine-tuning with the real parts: data, branches, loss, team, resume, the command line."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import PROMPT, chat_rows

from combatvla.aot import decode, encode
from combatvla.errors import UserError
from combatvla.policy.base import Frame
from combatvla.policy.build import build_model
from combatvla.policy.checkpoint import load_checkpoint
from combatvla.policy.local import load_policy
from combatvla.policy.net import Net
from combatvla.policy.tokenizer import train_tokenizer
from combatvla.vision import FrameSpec
from tracker.dataset import decode_png, read_rows, write_rows
from training.sft.data import ACTION, ANSWER, EXPLANATION, Batcher, load_samples, split, texts
from training.sft.loop import Run, batches, schedule, train
from training.sft.loss import batch_loss
from training.sft.team import Team
from training.sft.train import Args, main

ROWS = list(chat_rows(96, frames=2))
TOKENIZER = train_tokenizer(texts(ROWS), 600)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    write_rows(folder, ROWS)
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def samples(order="action_first", frames=2, rows=ROWS):
    return load_samples(rows, TOKENIZER, FrameSpec(), order=order, frames_per_decision=frames)


@pytest.mark.parametrize("order", ["action_first", "thought_first"])
def test_rows_become_frames_and_branches(order):
    found = samples(order)
    assert found.frames.shape == (96, 2, 112, 196, 3) and found.user_prompt == PROMPT
    assert np.array_equal(found.frames[3, 1], decode_png(ROWS[3].images[1]))
    decision, *questions = found.branches[0]
    assert decision.decision and len(questions) == 3
    text = TOKENIZER.decode(decision.ids)
    assert text.startswith(f"{PROMPT}<|im_end|>\n<|im_start|>assistant\n") and text.endswith("<|im_end|>")
    action = TOKENIZER.decode(decision.ids[decision.kinds == ACTION])
    thought = TOKENIZER.decode(decision.ids[decision.kinds == EXPLANATION])
    if order == "action_first":
        assert action.endswith("<TRUNC>") and thought.endswith("<|im_end|>") and "disc in row" in thought
    else:
        assert "<TRUNC>" not in text and action.endswith("<|im_end|>")
        assert text.index("disc in row") < text.index("<t")
    assert TOKENIZER.decode(questions[0].ids[questions[0].kinds == ANSWER]).removesuffix("<|im_end|>") in (
        "red",
        "green",
        "blue",
        "white",
    )


@pytest.mark.parametrize(("dialect", "order"), [("compact", "thought_first"), ("json", "action_first")])
def test_rows_of_any_dialect_and_order_teach_the_same(dialect, order):
    """`tracker export` writes what it is asked for; the stage decides what is taught."""
    row = ROWS[0].model_copy(deep=True)
    row.messages[1].content[0].text = encode(decode(row.messages[1].content[0].text), dialect, order)
    same, other = samples(rows=[ROWS[0]]).branches[0], samples(rows=[row]).branches[0]
    for a, b in zip(same, other, strict=True):
        assert (a.ids.tolist(), a.kinds.tolist(), a.decision) == (b.ids.tolist(), b.kinds.tolist(), b.decision)


def test_fewer_or_more_pictures_than_wanted():
    assert np.array_equal(*samples(frames=3).frames[0, :2])
    assert np.array_equal(samples(frames=1).frames[:, 0], samples().frames[:, 1])


def test_branches_do_not_see_each_other():
    """The loss of a sequence of branches is that of each asked alone."""
    found, model = samples(), build_model("XS", TOKENIZER).eval()
    net, batcher, weights = Net(model, found.spec), Batcher(found, TOKENIZER), torch.ones(4)
    with torch.no_grad():
        together = batcher([0, 1])
        assert together.mask is not None
        _, logits, _ = batch_loss(net, together, weights)
        alone = [batch_loss(net, batcher([i], [[branch]]), weights)[1] for i in (0, 1) for branch in found.branches[i]]
    torch.testing.assert_close(logits, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_training_text_is_what_play_asks(tiny_run):
    """The policy's prompt, token for token, is the training sequence up to its first supervised token."""
    policy = load_policy(tiny_run)
    found = load_samples(ROWS[:1], policy.tokenizer, FrameSpec(), order="action_first", frames_per_decision=2)
    branch = found.branches[0][0]
    start = int(np.flatnonzero(branch.kinds)[0])
    assert policy.prompt == [*found.prefix.tolist(), *branch.ids[:start].tolist()]


def test_whole_sessions_are_held_out():
    sessions = [f"fight {i // 10}" for i in range(100)] + [""] * 100
    rows, held = split(sessions, 25, seed=1)
    assert len(held) == 25 and not {sessions[i] for i in held} & {sessions[i] for i in rows} - {""}
    assert len(set(rows) | set(held)) >= 175 and not set(rows) & set(held)
    rows, held = split(["one"] * 60, 25, seed=1)
    assert sorted(rows) == list(range(57)) and sorted(held) == [57, 58, 59]


def test_schedule_rises_stays_and_falls_to_zero():
    rates = [schedule(x, 0.1, 0.4) for x in (0, 0.05, 0.1, 0.3, 0.6, 0.8, 0.999, 1)]
    assert rates[:5] == [0, 0.5, 1, 1, 1] and 1 > rates[5] > rates[6] > rates[7] == 0


def test_batches_start_where_they_are_told():
    batcher = Batcher(samples(), TOKENIZER)
    whole = batches(batcher, np.arange(90), 8, 2, seed=5)
    expected = [next(whole) for _ in range(20)]
    rest = batches(batcher, np.arange(90), 8, 2, seed=5, skip=13)
    for index, batch in expected[13:]:
        again, same = next(rest)
        assert np.array_equal(index, again) and torch.equal(batch.ids, same.ids)
        assert len(batch.chosen) == 16 and sum(b.decision for b in batch.chosen) == 8


@pytest.fixture(scope="module")
def tiny_run(data, tmp_path_factory):
    """A short run of an XS model, whose loss must have fallen."""
    out = tmp_path_factory.mktemp("run") / "policy"
    torch.set_num_threads(1)
    args = Args(data=(data,), out=out, preset="XS", steps=40, batch=16, threads=1, lr=3e-3, held_out=16)
    report = train(args)
    assert report["steps"] == 40 and report["loss"] < 3  # 6 at the start
    assert 0 <= report["action_exact"] <= 1 and 0 <= report["word"] <= 1 and "question/Which row?" in report
    return out


def test_a_trained_folder_plays(tiny_run, data):
    policy = load_policy(tiny_run)
    row = next(read_rows(data))
    decision = policy.decide([Frame(decode_png(p), i) for i, p in enumerate(row.images)])
    assert decision.parsed and policy.frames_per_decision == 2 and policy.info.prompt == PROMPT


def test_a_published_qwen_is_taught_the_aot_tokens(data, tmp_path, monkeypatch):
    """Its tokenizer has none of them, and its embedding no room for them."""
    monkeypatch.setattr("combatvla.policy.tokenizer.add_aot_tokens", lambda tokenizer, camera=(): None)
    tokenizer = train_tokenizer(texts(ROWS), 600)
    monkeypatch.undo()
    assert len(tokenizer("<dodge>").input_ids) > 1
    model = build_model("XS", tokenizer)
    model.resize_token_embeddings(len(tokenizer))
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "qwen")
    with pytest.raises(UserError, match="not a CombatVLA checkpoint"):
        load_policy(tmp_path / "qwen")
    train(Args(data=(data,), init=tmp_path / "qwen", out=tmp_path / "taught", steps=2, batch=8, threads=1, lr=1e-4))
    policy = load_policy(tmp_path / "taught")
    assert len(policy.tokenizer("<dodge>").input_ids) == 1
    assert policy.decide([Frame(decode_png(ROWS[0].images[0]), 0)]).parsed


class Interrupted(Exception):
    pass


def test_an_interrupted_run_resumes_to_the_very_same_weights(data, tmp_path, monkeypatch):
    def args(name, **more):
        base = dict(data=(data,), preset="XS", steps=6, batch=8, threads=1, held_out=8, eval_every=0.0, ema=0.9)
        return Args(**(base | more), precision="fp32", out=tmp_path / name)

    train(args("whole"))
    save = Run.measure_and_save

    def save_and_fall(run):
        found = save(run)
        if run.step == 3:
            raise Interrupted
        return found

    monkeypatch.setattr(Run, "measure_and_save", save_and_fall)
    with pytest.raises(Interrupted):
        train(args("broken"))
    monkeypatch.undo()
    report = train(args("broken", resume=True))
    assert report["steps"] == 6
    whole, again = (load_checkpoint(tmp_path / name)[0] for name in ("whole", "broken"))
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_team_averages_gradients_and_agrees():
    p = torch.nn.Parameter(torch.zeros(3))
    team = Team([p], 2)

    def work():
        (p * (team.rank + 1)).sum().backward()
        return team.average(0.25 if team.rank == 0 else 0.75), p.grad.tolist()

    team.start(work)
    assert work() == (0.25, [1.5, 1.5, 1.5])
    assert team.clip(1.0).item() == pytest.approx(1.5 * 3**0.5)
    assert p.grad.norm().item() == pytest.approx(1.0, abs=1e-4)
    team.close()
    assert not team.others[0].is_alive()


def test_a_rank_that_fails_ends_the_run_at_once():
    p = torch.nn.Parameter(torch.zeros(3))
    team = Team([p], 2)

    def work():
        if team.rank:
            raise MemoryError
        return team.average(0.0)

    team.start(work)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="a training process died"):
        work()
    team.close()
    assert time.monotonic() - began < 20


def test_fewer_rows_than_processes(tmp_path):
    write_rows(tmp_path / "d", ROWS[:1])
    args = Args(data=(tmp_path / "d",), out=tmp_path / "x", preset="XS", steps=1, batch=8, threads=2)
    assert train(args)["steps"] == 1


def test_a_broken_picture_is_named():
    row = ROWS[1].model_copy(update={"images": [ROWS[1].images[0], ROWS[1].images[1][:40]]})
    with pytest.raises(UserError, match="row 1 has a broken picture"):
        samples(rows=[ROWS[0], row])


def test_command_line_with_two_processes_from_a_checkpoint(tiny_run, data, tmp_path):
    code = "import sys; from training.sft.train import main; sys.exit(main(sys.argv[1:]))"
    arguments = f"--data {data} --init {tiny_run} --out {tmp_path / 'next'} --stage frame --steps 3 --batch 8"
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments.split(), "--threads", "2", "--held-out", "8", "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1])["steps"] == 3
    assert load_checkpoint(tmp_path / "next")[2].order == "thought_first"
    assert (tmp_path / "next.training" / "curves").is_dir()


def test_what_the_user_got_wrong_gets_one_sentence(data, tmp_path):
    def fails(match, **changes):
        with pytest.raises(UserError, match=match):
            train(Args(**(dict(data=(data,), out=tmp_path / "x", steps=1, threads=1) | changes)))

    fails("how long", steps=None)
    fails("how long", minutes=1.0)
    fails("is no CombatVLA checkpoint", out=tmp_path.parent)
    for name, value, said in (
        ("steps", 0, "--steps must be more than 0"),
        ("lr", -1.0, "--lr must be more than 0"),
        ("frames", 0, "--frames must be more than 0"),
        ("batch", 0, "--batch must be at least 1"),
        ("frame_gap_ms", 0, "--frame-gap-ms must be at least 1"),
        ("vocab", 20, "--vocab must be at least 300"),
        ("held_out", -1, "--held-out must be at least 0"),
        ("warmup", float("nan"), "--warmup must be from 0 to 1"),
    ):
        fails(said, **{name: value})
    fails("cannot write", out=Path("/proc/nowhere/policy"), preset="XS")
    fails("no dataset", data=(tmp_path / "nowhere",))
    fails("unknown preset", preset="XXL")
    fails("config.json", init=tmp_path)
    fails("config.json", resume=True)
    small = list(chat_rows(3, spec=FrameSpec(112, 56)))
    write_rows(tmp_path / "small", small)
    fails("112x56", data=(tmp_path / "small",))
    with pytest.raises(SystemExit):
        main(["--help"])
