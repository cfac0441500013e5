"""The fault drill in short, and that it finds what it looks for."""

from __future__ import annotations

import json
import sys
import textwrap

import pytest

from benchmark.drill.command import SAYS, measure
from benchmark.drill.stage import is_clear
from combatvla.cli import main, run

TRIES = {"steal-focus": 4, "server-down": 3, "random-bytes": 4}
"""One of each kind; two of the others."""


@pytest.mark.parametrize("fault", SAYS)
def test_nothing_is_left_behind(fault):
    tries = TRIES.get(fault, 2)
    figures = measure(tries, [fault])[fault]
    assert figures["tries"] == tries
    assert (figures["held"], figures["elsewhere"], figures["unclear"]) == (0, 0, 0)


CARELESS = """
    # Presses a key, whatever has the focus, and lets go of nothing.
    import sys, time
    from Xlib import XK, X
    from Xlib.ext import xtest
    from combatvla.desktop.x11 import connect
    x = connect()
    code = x.keysym_to_keycode(XK.string_to_keysym("w"))
    print("playing", file=sys.stderr, flush=True)
    for _ in range(80):
        for what in (X.KeyPress, X.KeyRelease) if {lets_go} else (X.KeyPress,):
            xtest.fake_input(x, what, code)
            x.sync()
            time.sleep(0.05)
"""


@pytest.fixture
def careless(tmp_path):
    def write(*, lets_go: bool) -> list[str]:
        path = tmp_path / "careless.py"
        path.write_text(textwrap.dedent(CARELESS).replace("{lets_go}", str(lets_go)))
        return [sys.executable, str(path)]

    return write


def test_it_finds_a_key_that_is_left_held_and_an_end_without_a_word(careless):
    figures = measure(1, ["kill-agent"], agent=careless(lets_go=False))["kill-agent"]
    assert (figures["held"], figures["unclear"]) == (1, 1)


def test_it_finds_presses_that_go_elsewhere(careless):
    figures = measure(1, ["destroy-window"], agent=careless(lets_go=True))["destroy-window"]
    assert figures["elsewhere"] > 0 and figures["unclear"] == 1


def test_it_finds_presses_that_go_on_when_the_focus_is_stolen(careless):
    figures = measure(1, ["steal-focus"], agent=careless(lets_go=True))["steal-focus"]
    assert figures["elsewhere"] > 0 and figures["unclear"] >= 1


def test_it_finds_a_key_that_is_held_on_without_a_policy(careless):
    figures = measure(1, ["server-down"], agent=careless(lets_go=False))["server-down"]
    assert figures["held"] >= 1 and figures["unclear"] >= 1


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


def test_a_page_without_its_marks_is_refused_before_the_tries(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    assert main(["bench", "drill", "--write", str(page)]) == 2
    assert "expected a line" in capsys.readouterr().err


def test_the_command_writes_its_table(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# A page\n<!-- DRILL: written by combatvla bench drill -->\n<!-- /DRILL -->\nend\n")
    assert run(["bench", "drill", "--tries", "1", "--only", "steal-focus", "--write", str(page), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["tries"] == 1 and figures["held"] == figures["elsewhere"] == figures["unclear"] == 0
    assert "| focus stolen in mid-plan | 1 | 0 | 0 | 0 |" in page.read_text() and page.read_text().endswith("end\n")
