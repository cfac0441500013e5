"""Fights in a window, one after the other, at the pace of the clock, with what the window itself obeys: pause, restart,
key help, the next fight."""

from __future__ import annotations

import time
from collections.abc import Callable

from combatvla.actions import Action
from env.arena.fight import Fight
from env.arena.overlay import MENU, menu_row
from env.arena.sound import Sounds
from env.arena.state import TICK_HZ
from env.arena.window import ArenaWindow
from env.tasks import Task

MAX_LAG_S = 0.1
"""After a stall the world catches up by this much at most, and lets the rest of the lost time go."""
BANNER_S = 2.0
"""How long the result stands before the next fight begins by itself, or the window closes."""
HELP_S = 8.0
"""How long the key help is shown when the first fight begins."""
PAUSED_NS = 50_000_000
"""From one picture to the next while nothing moves."""
OVER_HINT = "Enter: next fight     Backspace: again     Esc: menu"

Player = Callable[[Fight, frozenset[Action]], frozenset[Action]]
"""Gives what is held in the next tick of a fight, told what the person at the window holds."""


class Match:
    """Runs fights of `task` in `window`, the first with `seed`, each next one with the seed after it.

    `fights`: ends after so many (`math.inf`: never), each followed by the next on its own; None: waits for Enter, until
    the window is closed. `plain` shows nothing but the fight: no help, no hint. `speed`: seconds of the fight in a
    second.
    """

    def __init__(
        self,
        window: ArenaWindow,
        task: Task,
        seed: int,
        player: Player,
        sounds: Sounds,
        *,
        fights: float | None = None,
        fps: int = 60,
        speed: float = 1.0,
        plain: bool = False,
        on_tick: Callable[[Fight, frozenset[Action]], None] = lambda fight, held: None,
        on_over: Callable[[Fight], None] = lambda fight: None,
        on_drawn: Callable[[int], None] = lambda now_ns: None,
    ) -> None:
        self.window, self.task, self.player, self.sounds = window, task, player, sounds
        self.fight = Fight(task, seed)
        self.fights_left, self.plain = fights, plain
        self._tick_ns = round(1e9 / TICK_HZ / speed)
        self._banner_ns = round(BANNER_S * 1e9 / max(1.0, speed))
        self._draw_ns = round(1e9 / min(fps, TICK_HZ))
        self._on_tick, self._on_over, self._on_drawn = on_tick, on_over, on_drawn
        self._over_ns: int | None = None
        self._help_until_ns: int | None = None
        self._choice: int | None = None
        """The chosen row of the pause menu; None while the fight goes on."""
        self.ended = False

    def run(self) -> None:
        """Until the window is closed, the player quits, or the last fight is over. `WindowGone` when the window is
        destroyed from outside."""
        now = next_tick = next_draw = time.monotonic_ns()
        if not self.plain:
            self.window.overlay.show_help(True)
            self._help_until_ns = now + int(HELP_S * 1e9)
        self.window.draw(self.fight)
        while self.window.open and not self.ended:
            now = time.monotonic_ns()
            next_tick = max(next_tick, now - int(MAX_LAG_S * 1e9))
            while next_tick <= now and not self.ended:
                keys, was_paused = self.window.poll(), self.paused
                self._obey(self.window.pressed)
                next_tick += self._tick_ns
                if was_paused:
                    self.window.let_go()  # what was pressed for the menu is not meant for the fight
                elif not self.paused:
                    self._tick(keys, now)
            self._go_on(now)
            if now >= next_draw:
                self._draw(now)
                next_draw = max(next_draw + (PAUSED_NS if self.paused else self._draw_ns), now)
            pause = (min(next_tick, next_draw) - time.monotonic_ns()) / 1e9
            if pause > 0:
                time.sleep(pause)

    @property
    def paused(self) -> bool:
        return self._choice is not None

    def _tick(self, keys: frozenset[Action], now: int) -> None:
        held = self.player(self.fight, keys)
        self.fight.tick(held)
        if self._over_ns is not None:
            return
        self._on_tick(self.fight, held)
        if self.sounds.audible:
            self.sounds.follow(self.fight.read())
        if self.fight.result is not None:
            self._over_ns = now
            self._on_over(self.fight)

    def _draw(self, now: int) -> None:
        overlay = self.window.overlay
        if self._help_until_ns is not None and now > self._help_until_ns:
            self._help(False)
        overlay.show_menu(self._choice)
        waits = self._over_ns is not None and self.fights_left is None and not self.plain
        overlay.show_hint(OVER_HINT if waits and not self.paused else None)
        self.window.draw(self.fight)
        self._on_drawn(time.monotonic_ns())

    def _go_on(self, now: int) -> None:
        """Without a person's Enter: the next fight, or the end."""
        if self.fights_left is None or self._over_ns is None or self.paused:
            return
        if now - self._over_ns >= self._banner_ns:
            self._next()

    def _next(self) -> None:
        """The next fight, or the end if this was the last."""
        if self.fights_left is not None:
            self.fights_left -= 1
        self.ended = self.fights_left == 0
        if not self.ended:
            self._begin(self.fight.seed + 1)

    def _begin(self, seed: int) -> None:
        self.fight, self._over_ns, self._choice = Fight(self.task, seed), None, None

    def _help(self, shown: bool) -> None:
        self.window.overlay.show_help(shown)
        self._help_until_ns = None

    # -- commands --------------------------------------------------------------------------------------------

    def _obey(self, pressed: list[str]) -> None:
        for key in pressed:
            if self.paused:
                self._obey_in_menu(key)
            elif key in self.window.action_of:
                continue  # the fight's, not the window's
            elif key in ("escape", "p"):
                self._choice = 0
            elif key == "enter" and self._over_ns is not None:
                self._next()
            else:
                self._command({"f1": "help", "h": "help", "backspace": "restart"}.get(key))

    def _obey_in_menu(self, key: str) -> None:
        if key in ("up", "down"):
            self._choice = (self._choice + (1 if key == "down" else -1)) % len(MENU)
        elif key == "enter":
            self._command(MENU[self._choice][0])
        elif key == "mouse_left":
            row = menu_row(*self.window.pointer)
            self._command(MENU[row][0] if row is not None else None)
        else:
            keys = {"escape": "resume", "p": "resume", "f1": "help", "h": "help", "backspace": "restart", "q": "quit"}
            self._command(keys.get(key))

    def _command(self, command: str | None) -> None:
        if command == "resume":
            self._choice = None
        elif command == "restart":
            self._begin(self.fight.seed)
        elif command == "help":
            self._help(not self.window.overlay.help_shown)
        elif command == "quit":
            self.ended = True
