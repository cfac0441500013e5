"""`combatvla agent profile` as a real process at a real terminal (a pty), answered by real keys and clicks in a real
window of the Arena and by typed lines; and what it writes reads the Arena's bars as the shipped profile does."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from Xlib import X
from Xlib.ext import xtest

from agent.draft import as_yaml, before
from combatvla.actions import HELD_ACTIONS, Action
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.x11 import BUTTONS, connect, key_code
from combatvla.errors import UserError
from combatvla.hud import HudReader
from combatvla.profiles import load_profile
from env.arena.fight import Fight
from env.arena.render import Renderer
from env.players import PLAYERS
from env.tasks import load_task
from tests.helpers import COMBATVLA, run_command, start_command, until

SIZE = (960, 540)


class Wizard:
    """The command at a terminal of its own."""

    def __init__(self, folder: Path, *argv: str) -> None:
        self.end, inner = pty.openpty()
        self.process = subprocess.Popen(
            [*COMBATVLA, "agent", "profile", *argv],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
        os.close(inner)
        self.said, self._from = "", 0

    def expect(self, text: str, seconds: float = 30.0) -> str:
        """Waits until it says `text`; what it said since the last time."""
        until = time.monotonic() + seconds
        while text not in self.said[self._from :]:
            assert time.monotonic() < until, f"{text!r} did not come; it said: {self.said[self._from :]}"
            if select.select([self.end], [], [], 0.1)[0]:
                try:
                    self.said += os.read(self.end, 4096).decode(errors="replace")
                except OSError:  # it ended
                    assert text in self.said[self._from :], f"{text!r} did not come; it said: {self.said[self._from :]}"
        begin, self._from = self._from, self.said.index(text, self._from) + len(text)
        return self.said[begin : self._from]

    def type(self, line: str = "") -> None:
        os.write(self.end, line.encode() + b"\n")

    def answer(self, question: str, line: str = "") -> None:
        self.expect(question)
        self.expect(": ")
        self.type(line)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.end)


class Person:
    """Presses and clicks."""

    def __init__(self) -> None:
        self.x = connect()

    def press(self, key: str) -> None:
        from Xlib import XK

        named = {"f5": XK.XK_F5, "f12": XK.XK_F12}
        code = self.x.keysym_to_keycode(named[key]) if key in named else key_code(self.x, key)
        for what in (X.KeyPress, X.KeyRelease):
            xtest.fake_input(self.x, what, code)
            self.x.sync()
            time.sleep(0.02)

    def click(self, x: int, y: int, button: str = "mouse_left") -> None:
        xtest.fake_input(self.x, X.MotionNotify, x=x, y=y)
        for what in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self.x, what, BUTTONS[button])
            self.x.sync()
            time.sleep(0.02)


@pytest.fixture
def person(display):
    made = Person()
    yield made
    made.x.close()


@pytest.fixture
def wizard(display, tmp_path):
    started = []

    def start(*argv: str) -> Wizard:
        started.append(Wizard(tmp_path, *argv))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def game(desktop, tmp_path, arena):
    """The Arena's window with a boss that rests after its first blow and does no harm, so that the bars stay full."""
    task = tmp_path / "resting.yaml"
    text = (Path(load_task.__code__.co_filename).parent / "arena" / "tasks" / "first.yaml").read_text()
    text = re.sub(r"idle: \[[^]]*\]", "idle: [100, 100]", text)
    task.write_text(re.sub(r"damage: \d+", "damage: 0.01", text))
    size = "x".join(map(str, SIZE))
    process = start_command("env", "play", "--task", str(task), "--plain", "--mute", "--size", size)
    window = desktop.find_window(arena, wait_s=30)
    assert desktop.activate(window, timeout_s=5)
    until(lambda: full(window, arena), 30)
    yield desktop.geometry(window)
    process.terminate()
    process.communicate(timeout=10)


def full(window, profile) -> bool:
    """Whether the shipped profile reads full bars in the window."""
    with WindowCapture(window) as capture:
        hud = HudReader(profile).read(capture.grab().pixels)
    return all(hud[name] > 0.99 for name in ("health", "boss_health", "stamina"))


def corners(entry, window, off=(0, 0)) -> list[tuple[int, int]]:
    """Of a region on the screen, some pixels beside the truth."""
    left, top = window.x + entry.x * window.width, window.y + entry.y * window.height
    right, bottom = left + entry.w * window.width, top + entry.h * window.height
    return [(round(left) + off[0], round(top) + off[1]), (round(right) - off[0], round(bottom) - off[1])]


def test_a_profile_by_keys_and_clicks(wizard, person, game, arena, tmp_path):
    wizard = wizard("--title", "CombatVLA Arena", "--name", "mine")
    wizard.answer("title begins with", "Some Game")
    wizard.answer("the title is 'CombatVLA Arena", "CombatVLA Arena")
    wizard.answer("keeps this shape", "16:9")
    middle = game.x + game.width // 2, game.y + game.height // 2
    for action in HELD_ACTIONS:
        wizard.expect(f"{action.value} (")
        wizard.expect(": ")
        time.sleep(0.1)
        if action == Action.DODGE:
            person.press("f5")
            wizard.expect("'f5' cannot be used")
            wizard.expect(": ")
            person.press("w")
            wizard.expect("w already is move_forward")
            wizard.expect(": ")
        key = arena.keys.get(action)
        if key is None:
            person.press("f12")
        elif key in BUTTONS:
            person.click(*middle, key)
        else:
            person.press(key)
    wizard.answer("lock_on (")
    wizard.answer("Which act once", "-")
    wizard.answer("turn its camera")
    wizard.expect("begins the next fight")
    wizard.expect(": ")
    time.sleep(0.1)
    person.press("enter")
    wizard.expect("Enter when the bars are full")
    until(lambda: full(game, arena), 20)  # dodging took of the stamina
    person.press("f12")
    for name in ("health", "boss_health"):
        for which, place in zip(("upper left", "lower right"), corners(arena.hud[name], game, (3, -2)), strict=True):
            wizard.expect(f"its {which} corner: ")
            time.sleep(0.1)
            person.click(*place)
        wizard.answer("The colour of its empty part")
    wizard.answer("Another bar", "stamina")
    for which, (x, y) in zip(("upper left", "lower right"), corners(arena.hud["stamina"], game), strict=True):
        wizard.answer(f"its {which} corner", f"{x - game.x},{y - game.y}")
    wizard.answer("The colour of its empty part")
    wizard.answer("Another bar")
    wizard.answer("How many heals", "3")
    wizard.answer("does one give back", "0.45")
    heals = arena.hud["heals"]
    y = round(game.y + (heals.y + heals.h / 2) * game.height)
    for share in (1 / 6, 5 / 6):
        wizard.expect("the middle of the ")
        wizard.expect(": ")
        time.sleep(0.1)
        person.click(round(game.x + (heals.x + share * heals.w) * game.width), y)
    wizard.answer("a fight is won")
    wizard.answer("a fight is lost")
    wizard.expect("heals 3")
    assert re.search(r"health 1.00  boss_health (1.00|0.9\d)  stamina", wizard.said), "the clicks were also blows"
    wizard.type()
    wizard.answer("What the policy is asked")
    wizard.expect("combatvla agent run --game mine.yaml")
    assert wizard.process.wait(10) == 0

    made = load_profile(str(tmp_path / "mine.yaml"))
    assert (made.name, made.title, made.aspect, made.restart) == ("mine", "CombatVLA Arena", (16, 9), "enter")
    assert made.keys == arena.keys and made.press == () and made.prompt == arena.prompt
    assert (tmp_path / "mine-window.png").stat().st_size > 10_000
    assert worst_difference(made, arena) < 0.015


def worst_difference(made, shipped) -> float:
    """Between the readings by two profiles, over moments of real fights, as a share of a bar; 1 for another count."""
    ours, theirs, task = HudReader(made), HudReader(shipped), load_task("first")
    renderer, worst = Renderer(*SIZE), 0.0
    for seed, name in enumerate(("random", "reaction")):
        fight, player = Fight(task, seed), PLAYERS[name]()
        player.reset(seed)
        for _ in range(60):
            pixels = renderer.draw(fight)
            a, b = ours.read(pixels), theirs.read(pixels)
            for entry in ("health", "boss_health", "stamina", "heals"):
                worst = max(worst, float(np.nan_to_num(abs(a[entry] - b[entry]), nan=1.0)))
            if fight.result is None:
                fight.decide(player.decide([], truth=fight.truth()).plan.to_array())
    renderer.close()
    return worst


def test_all_typed_and_nothing_is_lost_by_ctrl_c(wizard, probe, arena, tmp_path):
    probe("Some Game 1.2", 640, 360, 0, 0, "#D9291F", "class=some_game")
    first = wizard("--title", "some game")
    first.answer("A short name", "../x")
    first.expect("expected letters")
    first.answer("A short name", "typed")
    first.answer("title begins with", "Some Game")
    first.answer("Only windows of the program some_game", "y")
    first.answer("keeps this shape")
    first.answer("move_forward (", "W")
    first.answer("move_back (", "W")
    first.answer("move_back (", "spacebar")
    first.expect("'spacebar' cannot be used")
    first.answer("move_back (", "s")
    first.expect("move_left (")
    os.killpg(first.process.pid, signal.SIGINT)
    first.expect("go on with `combatvla agent profile --like typed.draft.yaml`")
    assert first.process.wait(10) == 130
    draft = before(str(tmp_path / "typed.draft.yaml"))
    assert draft["keys"] == {"move_forward": "w", "move_back": "s"} and draft["program"] == ["some_game"]

    (tmp_path / "typed.yaml").write_text("mine, do not touch")
    second = wizard("--like", "typed.draft.yaml", "--title", "some game")
    second.answer("title begins with")
    second.answer("program some_game")
    second.answer("keeps this shape")
    second.expect("[w]: ")
    second.type()
    second.answer("move_back (", "-")
    second.answer("move_left (", "1")
    for action in (*HELD_ACTIONS[3:], Action.LOCK_ON):
        second.answer(f"{action.value} (", "mouse_left" if action == Action.LIGHT_ATTACK else "")
    second.answer("[light_attack]", "parry")
    second.answer("parry has no key")
    second.answer("turn its camera", "1200")
    second.answer("begins the next fight")
    second.answer("Enter when the bars are full")
    second.expect("typed-window.png")
    second.answer("its upper left corner", "100,900")
    second.expect("outside of the window")
    second.answer("its upper left corner", "10,10")
    second.answer("its lower right corner", "12,10")
    second.expect("expected 8x2 or more")
    second.answer("its upper left corner", "100,30")
    second.answer("its lower right corner", "500,50")
    second.answer("empty part")
    second.answer("its upper left corner")  # the boss has none
    second.answer("Another bar")
    second.answer("How many heals", "many")
    second.answer("a number from 0 to 20")
    second.answer("is won")
    second.answer("is lost")
    second.expect("health 1.00")
    second.type("stamina")
    second.expect("there is no stamina")
    second.type()
    second.answer("asked", "Win.")
    second.answer("typed.yaml exists. Write over it? (y/N)")
    second.answer("Write it to")
    second.expect("typed-2.yaml is written")
    assert second.process.wait(10) == 0 and (tmp_path / "typed.yaml").read_text() == "mine, do not touch"
    made = load_profile(str(tmp_path / "typed-2.yaml"))
    assert made.keys == {Action.MOVE_FORWARD: "w", Action.MOVE_LEFT: "1", Action.LIGHT_ATTACK: "mouse_left"}
    assert made.press == (Action.LIGHT_ATTACK,) and made.look.speed == 1200 and made.prompt == "Win."
    assert made.program == ("some_game",) and set(made.hud) == {"health"} and made.fits("Some Game 2", ["Some_Game"])


def test_a_closed_game_keeps_the_answers(wizard, probe, tmp_path):
    window = probe("Some Game", 320, 240)
    one = wizard("--name", "gone", "--like", "sekiro")
    one.expect("1  Some Game, 320x240")
    one.answer("or c to click on it [c]", "7")
    one.answer("or c to click on it [c]", "1")
    one.answer("title begins with")
    one.answer("program sekiro.exe or steam_app_814380", "n")
    one.answer("keeps this shape")
    for action in (*HELD_ACTIONS, Action.LOCK_ON):
        one.answer(f"{action.value} (")
    one.expect("Which act once")
    window.close()
    one.type()
    one.answer("camera")
    one.answer("next fight")
    one.answer("bars are full")
    one.expect("gone.draft.yaml")
    one.expect("was closed")
    assert one.process.wait(10) == 2
    assert before(str(tmp_path / "gone.draft.yaml"))["keys"] == before("sekiro")["keys"]


def test_without_a_terminal_it_says_what_is_missing():
    done = run_command("agent", "profile", "--name", "x", stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "at a terminal" in done.stderr and "a key for each action" in done.stderr
    assert "a name" not in done.stderr and len(done.stderr.splitlines()) == 1
    done = run_command("agent", "profile", "--like", "nothing.yaml", stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "unknown game 'nothing.yaml'" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        *("[1, 2]", "keys: [", "keys: 3", "keys: {dodge: [1]}", "hud: {health: 5}", "title: 5", "aspect: 3"),
        *("press: 5", "press: [[]]", "look: 5", "program: 5", "prompt: 5", "title: 2024-99-99", "nothing: 1"),
        *("5: w", "name: ../elsewhere", "[" * 10_000),
    ],
)
def test_what_is_no_draft_is_one_sentence(text, tmp_path):
    path = tmp_path / "bad.draft.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="bad.draft.yaml"):
        before(str(path))


@pytest.mark.parametrize("name", ["arena", "blade", "flare", "wukong", "sekiro"])
def test_a_shipped_profile_is_written_as_it_was_read(name, tmp_path):
    path = tmp_path / "again.yaml"
    path.write_text(as_yaml({"name": name, **before(name)}), encoding="utf-8")
    again, shipped = load_profile(str(path)), load_profile(name)
    assert again == shipped.model_copy(update={"start": None})
