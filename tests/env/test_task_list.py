"""The list of the fights, and the pictures of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from combatvla.cli import main
from combatvla.report import write_between
from env.pictures import FOOT, HEAD, TILE
from env.task_list import BEGIN, END, as_markdown, row_of
from env.tasks import KINDS, load_task, task_names


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def listed(pictures):
    """What `env tasks --pictures … --json` printed."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["env", "tasks", "--pictures", str(pictures), "--json"]) == 0
    return out.getvalue()


def test_the_list_says_what_the_task_files_say(listed):
    record = json.loads(listed.splitlines()[-1])
    assert record["tasks"] == len(record["rows"]) == 13
    assert [row["number"] for row in record["rows"]] == list(range(1, 14))
    assert [row["name"] for row in record["rows"] if row["train"]] == ["tiger", "sage"]
    assert [row["rules"] for row in record["rows"]] == ["staff"] * 10 + ["blade"] * 3
    for row in record["rows"]:
        task = load_task(row["name"])
        assert (row["title"], row["tier"], row["phases"]) == (task.title, task.tier, len(task.boss.phases))
        assert [a["name"] for a in row["attacks"]] == list(task.boss.moves) and len(row["attacks"]) >= 4
        assert {a["kind"] for a in row["attacks"]} <= set(KINDS)
        assert task.title in listed


def test_every_fight_has_a_picture_and_every_attack_its_own(listed, pictures):
    heads = []
    for row in json.loads(listed.splitlines()[-1])["rows"]:
        image = Image.open(row["picture"])
        assert image.size == (960, 540)
        heads.append(np.asarray(image)[::5, ::5].astype(np.int16))
        assert len(np.unique(heads[-1] @ [65536, 256, 1])) > 20, f"{row['name']}: hardly anything is drawn"
    for i, a in enumerate(heads):
        for b in heads[:i]:
            assert (np.abs(a - b).max(axis=2) > 30).mean() > 0.05, "two fights look alike"
    sheet = np.asarray(Image.open(pictures / "tasks.png").convert("RGB")).astype(np.int16)
    width, height = TILE
    for i, name in enumerate(task_names()):
        top = i * (HEAD + height + FOOT) + HEAD
        moves = list(load_task(name).boss.moves)
        tiles = [sheet[top : top + height : 2, k * width : (k + 1) * width : 2] for k in range(len(moves))]
        for k, tile in enumerate(tiles):
            for other in range(k):
                share = (np.abs(tile - tiles[other]).max(axis=2) > 30).mean()
                assert share > 0.02, f"{name}: {moves[k]} and {moves[other]} look alike"


def test_the_table_is_written_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- TASKS -->\nold\n<!-- /TASKS -->\nafter\n")
    table = as_markdown([row_of(load_task(name)) for name in task_names()])
    for _ in range(2):  # again: the same
        write_between(page, BEGIN, END, table)
        assert page.read_text() == f"before\n<!-- TASKS -->\n{table}\n<!-- /TASKS -->\nafter\n"
    assert table.count("\n") == 18 and "| 9 | `tiger` (train) | The Tiger Vanguard | staff | very hard | 3 |" in table


def test_the_page_of_the_arena_tells_of_the_fights_as_they_are():
    page = (Path(__file__).parents[2] / "docs" / "arena.md").read_text(encoding="utf-8")
    assert as_markdown([row_of(load_task(name)) for name in task_names()]) in page, (
        "run the command that stands below its table"
    )
    assert (Path(__file__).parents[2] / "docs" / "tasks.png").stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--write", "plain.md", "expected a line <!-- TASKS --> and below it a line <!-- /TASKS -->"),
        ("--write", "none/page.md", "name a text file that exists"),
        ("--pictures", "plain.md", "choose another folder"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, capsys, option, name, said):
    (tmp_path / "plain.md").write_text("no marker")
    assert main(["env", "tasks", option, str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err
