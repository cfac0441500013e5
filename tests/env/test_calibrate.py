"""`env calibrate`: the same figures however the work is shared out, targets by tier, and a page that is not spoilt."""

import json

import pytest

from combatvla.cli import main as combatvla
from env import calibrate
from env.tasks import TEST_SEED_START


def run(capsys, *argv: str) -> dict:
    assert combatvla(["env", "calibrate", *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_figures_do_not_depend_on_the_number_of_processes(capsys):
    argv = ("--tasks", "first,10", "--players", "random,oracle", "--fights", "22")
    alone = run(capsys, *argv, "--workers", "1")
    assert alone == run(capsys, *argv, "--workers", "2")
    assert alone["fights"] == 22 and alone["seed_start"] == TEST_SEED_START
    first, last = alone["tasks"]
    assert (first["number"], first["tier"], last["number"], last["tier"]) == (1, "easy", 10, "very hard")
    for row in alone["tasks"]:
        for figures in row["players"].values():
            low, high = figures["success_ci95"]
            assert 0 <= low <= figures["success_rate"] == figures["wins"] / 22 <= high <= 1
            assert 0 <= figures["damage_taken"] < 5 and 0 < figures["fight_s_mean"] < 300
    assert first["players"]["oracle"]["damage_taken"] < first["players"]["random"]["damage_taken"]


def test_latency_is_the_boss_s_to_use(capsys):
    argv = ("--tasks", "first", "--players", "oracle", "--fights", "10", "--workers", "1")
    prompt = run(capsys, *argv, "--latency-ms", "0")["tasks"][0]["players"]["oracle"]
    late = run(capsys, *argv, "--latency-ms", "600")["tasks"][0]["players"]["oracle"]
    assert late["damage_taken"] > prompt["damage_taken"]


def outcomes(player: str, wins: int, of: int = 20) -> list[calibrate.Outcome]:
    return [calibrate.Outcome("x", player, "win" if i < wins else "loss", 0.5, 30.0) for i in range(of)]


@pytest.mark.parametrize(
    ("tier", "player", "wins", "met"),
    [
        ("easy", "random", 5, True),  # promises nothing
        ("middle", "random", 0, True),
        ("middle", "random", 1, False),
        ("hard", "reaction", 8, True),  # 0.40: at the edge of 0.50 ± 0.10
        ("hard", "reaction", 7, False),
        ("very hard", "reaction", 7, True),
        ("very hard", "reaction", 8, False),
        ("very hard", "oracle", 19, True),
        ("very hard", "oracle", 18, False),
    ],
)
def test_targets_by_tier(tier, player, wins, met):
    assert calibrate.summarize(outcomes(player, wins), tier)["met"] is met


def test_the_page_keeps_all_but_what_lies_between_the_markers(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{calibrate.BEGIN}\nold\n{calibrate.END}\n\nAfter\n")
    argv = ["env", "calibrate", "--tasks", "first", "--players", "random", "--fights", "2", "--workers", "1"]
    assert combatvla([*argv, "--write", str(page)]) == 0
    written = page.read_text()
    assert written.startswith("# Before\n\n") and written.endswith(f"{calibrate.END}\n\nAfter\n")
    assert "old" not in written and "| 1 | first | easy |" in written
    assert combatvla([*argv, "--write", str(page)]) == 0
    assert page.read_text() == written


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--players", "human"], "expected some of random, reaction, oracle"),
        (["--tasks", "frist"], "unknown task 'frist'"),
        (["--tasks", ","], "names no task"),
        (["--fights", "0"], "at least 1"),
        (["--workers", "-1"], "at least 1"),
        (["--latency-ms", "nan"], "0 to 10000"),
        (["--write", "no/such/page.md"], "cannot read the page"),
        (["--write", "PLAIN"], "expected a line <!-- CALIBRATION --> and below it a line"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_nothing_is_played(argv, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(calibrate, "play_all", lambda *_: pytest.fail("it played"))
    plain = tmp_path / "plain.md"
    plain.write_text("# no place for a table\n")
    assert combatvla(["env", "calibrate", *(a.replace("PLAIN", str(plain)) for a in argv)]) == 2
    assert said in capsys.readouterr().err
    assert plain.read_text() == "# no place for a table\n"


def test_a_page_that_may_not_be_written_is_refused_before_anything_is_played(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(calibrate, "play_all", lambda *_: pytest.fail("it played"))
    monkeypatch.setattr("combatvla.report.os.access", lambda path, mode: False)  # root may write everything
    page = tmp_path / "page.md"
    page.write_text(f"{calibrate.BEGIN}\n{calibrate.END}\n")
    assert combatvla(["env", "calibrate", "--write", str(page)]) == 2
    assert "may not be written" in capsys.readouterr().err
