"""Where the drill takes place: a display of its own, a game's window, windows that must get no press, and the agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from Xlib import X, Xutil
from Xlib.ext import xtest
from Xlib.protocol import event

from combatvla.desktop import Desktop, Window
from combatvla.desktop.x11 import GONE, connect
from combatvla.errors import UserError
from combatvla.profiles import load_profile

SIZE = (1280, 720)
GAME = (320, 180)
"""The size of the light game's window; it lies in the upper left corner."""
TITLE = "CombatVLA drill"
ARENA = "CombatVLA Arena"
START_S = 60.0
"""A start that takes longer has failed."""
BUTTONS = (X.Button1Mask, X.Button2Mask, X.Button3Mask)
AGENT = (sys.executable, "-m", "combatvla", "agent", "run")


class Stage:
    """On the display that is `$DISPLAY`. `agent`: the command line that stands for `combatvla agent run`."""

    def __init__(self, desktop: Desktop, folder: Path, agent: Sequence[str] = AGENT) -> None:
        self.desktop, self.folder, self._agent = desktop, folder, list(agent)
        self.x = connect()
        self._root = self.x.screen().root
        self._began = 0
        # Behind everything: who loses the game's window types into this one.
        self.witness = self._open("witness", 0, 0, *SIZE)
        self.thief = self._open("thief", 800, 400, 200, 200)
        self.profile = folder / "drill.yaml"
        keys = "\n".join(f"  {action}: '{key}'" for action, key in load_profile("arena").keys.items())
        self.profile.write_text(f"name: drill\ntitle: {TITLE}\nprompt: Which action comes next?\nkeys:\n{keys}\n")

    def _open(self, title: str, x: int, y: int, width: int, height: int):
        mask = X.KeyPressMask | X.KeyReleaseMask | X.ButtonPressMask | X.ButtonReleaseMask
        depth = self.x.screen().root_depth
        window = self._root.create_window(x, y, width, height, 0, depth, background_pixel=0x404040, event_mask=mask)
        window.set_wm_normal_hints(flags=Xutil.PPosition | Xutil.USPosition)
        window.set_wm_name(title)
        window.map()
        self.x.sync()
        return window

    def close(self) -> None:
        self.x.close()

    # The server.

    def held(self) -> int:
        """How many keys and buttons it holds."""
        mask = self._root.query_pointer().mask
        return sum(byte.bit_count() for byte in self.x.query_keymap()) + sum(bool(mask & m) for m in BUTTONS)

    def elsewhere(self) -> int:
        """How many presses arrived in the witness and the thief since the last question."""
        self.x.sync()
        events = [self.x.next_event() for _ in range(self.x.pending_events())]
        return sum(got.type in (X.KeyPress, X.ButtonPress) for got in events)

    def let_go(self) -> None:
        """Releases what an agent has left held: it must not count again in the next try."""
        if not self.held():
            return
        down = self.x.query_keymap()
        for code in range(8, 256):
            if down[code // 8] & 1 << code % 8:
                xtest.fake_input(self.x, X.KeyRelease, code)
        for button in range(1, 4):
            xtest.fake_input(self.x, X.ButtonRelease, button)
        self.x.sync()

    def while_held(self, fault: Callable[[], None], agent: Agent, words: str, timeout_s: float = START_S) -> int:
        """Calls `fault` in a moment in which something is held: nobody else's requests are carried out meanwhile. How
        often the agent had said `words` by then. `UserError` when it ends before that, or holds nothing for so long."""
        until = time.monotonic() + timeout_s
        while True:
            self.x.grab_server()
            try:
                if self.held():
                    told = agent.said().count(words)
                    fault()
                    self.x.flush()
                    return told
            finally:
                self.x.ungrab_server()
                self.x.sync()
            if agent.process.poll() is not None:
                raise UserError(f"the agent ended before the fault: {agent.said().strip() or 'it said nothing'}")
            if time.monotonic() > until:
                raise UserError(f"the agent held nothing for {timeout_s:g} s: {agent.said().strip()}")
            time.sleep(0.005)

    def free_after_s(self, limit_s: float) -> float:
        """After how many seconds nothing was held; `limit_s` when something still is."""
        began = time.monotonic()
        while self.held() and time.monotonic() - began < limit_s:
            time.sleep(0.002)
        return min(limit_s, time.monotonic() - began)

    # Windows.

    @contextmanager
    def game(self, *, arena: bool = False) -> Iterator[subprocess.Popen]:
        """The process of a game: the light one, or the Arena's real window."""
        if arena:
            command = [sys.executable, "-m", "combatvla", "env", "play", "--size", "640x360"]
        else:
            command = [sys.executable, str(Path(__file__).with_name("window.py")), TITLE, *map(str, (*GAME, 0, 0))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def find(self, *, arena: bool = False) -> Window:
        profile = load_profile("arena") if arena else load_profile(str(self.profile))
        return self.desktop.find_window(profile, wait_s=START_S)

    def destroy(self, window: Window) -> None:
        self.x.create_resource_object("window", window.id).destroy()

    def take_focus(self, window: int) -> None:
        """Without asking the window manager."""
        with suppress(*GONE):
            target = self.x.create_resource_object("window", window)
            target.set_input_focus(X.RevertToParent, X.CurrentTime)

    def ask_for_focus(self, window: int) -> None:
        """Of the window manager, as a pager does."""
        target = self.x.create_resource_object("window", window)
        active = self.x.get_atom("_NET_ACTIVE_WINDOW")
        message = event.ClientMessage(window=target, client_type=active, data=(32, [2, X.CurrentTime, 0, 0, 0]))
        self._root.send_event(message, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)

    # The agent.

    def agent(self, *argv: str, arena: bool = False) -> Agent:
        """Starts `agent run` on the game's window, armed."""
        game = "arena" if arena else str(self.profile)
        line = [*self._agent, "--game", game, "--armed", "--no-replay", "--seconds", "3600", "--wait", "60"]
        return self.start([*line, "--log", str(self.folder / "log"), *argv])

    def start(self, command: Sequence[str]) -> Agent:
        """Starts this command line as the agent, with nothing held."""
        self._began += 1
        self.let_go()
        return Agent(command, self.folder / f"agent-{self._began}.txt")


class Agent:
    """A process of the agent, and what it says on standard error."""

    def __init__(self, command: Sequence[str], says: Path) -> None:
        self._says = says
        with says.open("wb") as error:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=error, env=os.environ)

    def said(self) -> str:
        return self._says.read_text(errors="replace")

    def wait_for(self, words: str, more_than: int = 0, limit_s: float = 2.0) -> bool:
        """Whether it says these words once more."""
        until = time.monotonic() + limit_s
        while self.said().count(words) <= more_than:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def end(self, number: int = signal.SIGTERM) -> int | None:
        """Ends it, and gives its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.status()

    def status(self, limit_s: float = 60.0) -> int | None:
        """Its exit status once it has ended; None when it does not."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def is_clear(said: str, words: str) -> bool:
    """Whether the agent's last word is one sentence that has these words in it, and no traceback is there."""
    errors = [line for line in said.splitlines() if line.startswith("combatvla: ")]
    return len(errors) == 1 and words in errors[0] and "Traceback" not in said
