"""The fault drill: a few tries of each fault, and that it finds out an agent that has no guards."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmark.drill.command import BEGIN, END, SAYS, measure
from benchmark.drill.faults import FAULTS
from benchmark.drill.stage import is_clear
from combatvla import cli

CARELESS = [sys.executable, str(Path(__file__).with_name("careless_agent.py"))]


def test_each_fault_has_a_name():
    assert list(FAULTS) == list(SAYS)


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        ("kill-agent", 2),
        ("kill-game", 2),
        ("destroy-window", 2),
        ("steal-focus", 4),
        ("server-down", 3),
        ("random-bytes", 4),
    ],
)
def test_the_agent_stands_it(fault, tries):
    found = measure(tries, [fault])[fault]
    assert found["tries"] == tries
    assert (found["held"], found["elsewhere"], found["unclear"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("fault", "elsewhere"),
    [
        ("kill-agent", False),
        ("kill-game", True),
        ("destroy-window", True),
        ("steal-focus", True),
        ("server-down", False),
    ],
)
def test_a_careless_agent_is_found_out(fault, elsewhere, capsys):
    """It leaves a key held, goes on in another window, and says nothing."""
    found = measure(1, [fault], agent=CARELESS)[fault]
    assert found["held"] >= 1 and found["unclear"] >= 1
    assert bool(found["elsewhere"]) == elsewhere
    assert "unclear: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "clear"),
    [
        ("playing\ncombatvla: the window was closed\n", True),
        ("playing\n", False),
        ("combatvla: something else\n", False),
        ("combatvla: the window was closed\ncombatvla: the window was closed\n", False),
        ("Traceback (most recent call last):\ncombatvla: the window was closed\n", False),
    ],
)
def test_what_is_clear(said, clear):
    assert is_clear(said, "was closed") == clear


def test_the_command_writes_its_page(tmp_path, capsys):
    page = tmp_path / "safety.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    argv = ["bench", "drill", "--tries", "1", "--only", "kill-agent", "--write", str(page), "--json"]
    assert cli.main(argv) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["tries"], found["held"], found["elsewhere"], found["unclear"]) == (1, 0, 0, 0)
    text = page.read_text(encoding="utf-8")
    assert "| kill -9 of the agent | 1 | 0 | 0 | 0 |" in text and "old" not in text
    assert text.startswith("before\n") and text.endswith("after\n")


def test_a_page_without_its_marks_is_refused_before_the_tries(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")
    assert cli.main(["bench", "drill", "--tries", "1", "--write", str(page)]) == 2
    assert "expected a line" in capsys.readouterr().err
