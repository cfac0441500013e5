"""Asks for the bars, heals and banners of a profile, by pictures of the game's window."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from agent import measure
from agent.draft import LACKING
from combatvla.errors import UserError, reason
from combatvla.hud import HudReader
from combatvla.profiles import GameProfile

if TYPE_CHECKING:
    from agent.ask import Terminal
    from combatvla.desktop.base import Desktop
    from combatvla.desktop.capture import WindowCapture

BARS = {"health": "your health bar", "boss_health": "the boss's health bar"}
BANNERS = {"win": "won", "loss": "lost"}


class HudQuestions:
    """Places come in pixels of the window, and are kept in fractions of the game's picture within it. What is there is
    measured in `full`, a picture from before the clicks: these also are blows."""

    def __init__(self, ask: Terminal, desktop: Desktop, capture: WindowCapture, data: dict[str, Any]) -> None:
        self.ask, self.desktop, self.capture, self.data = ask, desktop, capture, data
        self.full = np.empty((0, 0, 3), np.uint8)
        self.hud: dict[str, Any] = data.setdefault("hud", {})

    def picture(self) -> np.ndarray:
        """The game's picture now, `uint8[h, w, 3]`; says what covers it."""
        cover = self.desktop.watch_cover(self.capture.window)
        try:
            view = cover.look()
        finally:
            cover.close()
        if share := view.share_covered():
            self.ask.say(f"    {share:.0%} of the window is covered ({', '.join(view.by)}): that is read instead")
        return self._inner(self.capture.grab().pixels.copy())

    def corner(self, which: str) -> tuple[int, int] | str:
        """A place in the game's picture, in pixels; or the line that was typed in place of one."""
        window = self.desktop.geometry(self.capture.window)
        said = self.ask.place(f"    {which}", (window.width, window.height))
        if isinstance(said, str):
            return said
        left, top = self._rims(window.height, window.width)
        return said[0] - left, said[1] - top

    def two(self, first: str, second: str) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Two places; None when a line was typed in place of one, which skips the question."""
        places = []
        for which in (first, second):
            if isinstance(place := self.corner(which), str):
                return None
            places.append(place)
        return places[0], places[1]

    def wait_until_full(self) -> None:
        self.ask.line("Enter when the bars are full (F12 in the game)")
        self.full = self.picture()

    def wants(self, name: str, what: str) -> bool:
        """Whether an entry is to be measured: it is not there yet, or the person says so."""
        if name not in self.hud:
            return True
        return not self.ask.yes(f"  {what} is known already. Keep it as it is?")

    def bar(self, name: str, what: str) -> None:
        """Measures a bar by its corners; skipped when a line is typed instead."""
        if not self.wants(name, what):
            return
        while True:
            self.ask.say(f"  {what}: click on the corners of the whole of it, or type x,y; Enter alone skips it.")
            if (corners := self.two("its upper left corner", "its lower right corner")) is None:
                return
            try:
                entry, plain = measure.bar(self.full, *corners)
            except UserError as error:
                self.ask.say(f"    {error}")
                continue
            if plain < 0.9 and not self.ask.yes(f"    only {plain:.0%} of it has one colour. Was it full?", False):
                self.wait_until_full()
                continue
            break
        self.ask.say(f"    at {_place(entry)}, colour {entry['color']}")
        self._empty(entry)
        self._take(name, entry)

    def heals(self) -> None:
        """Measures a row of pips."""
        if not self.wants("heals", "the row of heals"):
            return
        of = self._number("  How many heals are shown in a row when you have all (0 or Enter: no such row)", 0, 20, int)
        if not of:
            return
        worth = self._number("    How much of your bar does one give back (0 to 1; Enter: unknown)", 0, 1, float)
        while True:
            last = "the middle of the last one" if of > 1 else "the same once more"
            if (places := self.two("click on the middle of the first one", last)) is None:
                return
            try:
                return self._take("heals", measure.pips(self.full, *places, int(of), worth))
            except UserError as error:
                self.ask.say(f"    {error}")

    def banner(self, name: str, what: str) -> None:
        """Measures words that are up now."""
        if not self.wants(name, f"the banner of a fight {what}"):
            return
        said = self.ask.line(f"  Words that tell that a fight is {what}: type y while they are up, Enter skips them")
        if said.lower() not in ("y", "yes"):
            return
        picture = self.picture()  # the words may go before they are clicked on
        while True:
            corners = self.two("the upper left corner of where the words are", "the lower right corner")
            if corners is None:
                return
            try:
                return self._take(name, measure.banner(picture, *corners))
            except UserError as error:
                self.ask.say(f"    {error}")

    def check(self) -> None:
        """Shows what is read until the person agrees; forgets what is wrong and measures it anew."""
        while self.hud:
            self.ask.say("\nWhat is read now (play a little). Enter: it is right; else the name of what is wrong.")
            said = self.ask.until_enter(self._reading)
            if not said:
                return
            if said not in self.hud:
                self.ask.say(f"  there is no {said}; there are: {', '.join(self.hud)}")
                continue
            del self.hud[said]
            if said not in BANNERS:
                self.wait_until_full()
            self.measure(said)

    def measure(self, name: str) -> None:
        if name == "heals":
            self.heals()
        elif name in BANNERS:
            self.banner(name, BANNERS[name])
        else:
            self.bar(name, BARS.get(name, f"the bar {name}"))

    def _reading(self) -> str:
        profile = GameProfile.model_validate(LACKING | {"hud": self.hud})
        read = HudReader(profile).read(self._inner(self.capture.grab().pixels))
        return "  ".join(f"{name} {_shown(value)}" for name, value in read.items())

    def _take(self, name: str, entry: dict[str, Any]) -> None:
        """Keeps an entry that a profile may hold; says what is wrong with another one."""
        try:
            GameProfile.model_validate(LACKING | {"hud": {name: entry}})
        except ValueError as error:
            self.ask.say(f"    that cannot be read: {reason(error)}")
            return
        self.hud[name] = entry

    def _empty(self, entry: dict[str, Any]) -> None:
        question = "    The colour of its empty part: type y while a part is empty; Enter takes dark for it"
        while self.ask.line(question).lower() in ("y", "yes"):
            if (found := measure.emptied(self.picture(), entry)) is not None:
                entry |= found
                self.ask.say(f"    the empty part has the colour {found['back']}")
                return
            self.ask.say("    it still looks full, or all empty")

    def _number(self, question: str, least: float, most: float, kind: type) -> float:
        while True:
            said = self.ask.line(question)
            try:
                if least <= (value := kind(said or 0)) <= most:
                    return value
            except ValueError:
                pass
            self.ask.say(f"    a number from {least:g} to {most:g}, please")

    def _rims(self, height: int, width: int) -> tuple[int, int]:
        """How far the game's picture lies within that of its window, to the right and down."""
        if not (aspect := self.data.get("aspect")):
            return 0, 0
        across, down = aspect
        return (width - min(width, round(height * across / down))) // 2, (
            height - min(height, round(width * down / across))
        ) // 2

    def _inner(self, pixels: np.ndarray) -> np.ndarray:
        left, top = self._rims(*pixels.shape[:2])
        return pixels[top : pixels.shape[0] - top, left : pixels.shape[1] - left]


def ask_hud(ask: Terminal, desktop: Desktop, capture: WindowCapture, data: dict[str, Any], still: Path) -> None:
    """The bars, a row of heals, banners. A picture of the window is left at `still`, for who types places."""
    ask.say(
        "\nThe bars. Begin a fight, with all bars full, and leave the game where they can be seen. A game that holds "
        "the pointer lets go of it in its menu."
    )
    questions = HudQuestions(ask, desktop, capture, data)
    questions.wait_until_full()
    cv2.imwrite(str(still), cv2.cvtColor(capture.grab().pixels, cv2.COLOR_RGB2BGR))
    ask.say(f"A picture of the window is in {still}: places can be read off it in any picture viewer.")
    for name, what in BARS.items():
        questions.bar(name, what)
    while name := ask.line("  Another bar (a name for it, such as stamina; Enter: none)"):
        if name in ("heals", *BANNERS, "timeout") or not name.isidentifier():
            ask.say("    a name of letters, please, and not one of heals, win, loss, timeout")
            continue
        questions.bar(name, f"the bar {name}")
    questions.heals()
    for name, what in BANNERS.items():
        questions.banner(name, what)
    questions.check()
    for name in BARS.keys() - questions.hud.keys():
        ask.say(f"  without {name}, combatvla/Window-v0 cannot be used; recording and playing can")
    if not questions.hud:
        data.pop("hud")


def _place(entry: dict[str, Any]) -> str:
    return ", ".join(f"{side} {entry[side]:.3f}" for side in "xywh")


def _shown(value: float | int | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    return "unseen" if math.isnan(value) else f"{value:.2f}"
