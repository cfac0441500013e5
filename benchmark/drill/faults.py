"""The faults, each tried again and again on a stage: what was held after it, what arrived elsewhere, what was said."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from Xlib import X

from benchmark.drill.server import HOW, DrillServer
from benchmark.drill.stage import Agent, Stage, is_clear
from combatvla.report import Advance, percentile

LIMIT_S = 1.5
"""So long after a fault nothing may be held: the watchdog and the dead-man time-out take a second."""
STAYS_S = 0.15
"""And for so long it must stay so."""
RUN = 25
"""Where the agent survives the fault, it goes through so many in one run."""
ARENA_EVERY = 20
"""Of the faults for which a game is started anew each time, every so manieth is on the Arena."""
LOST = "the window is without the focus"
TROUBLE = "no plan came from the policy"


@dataclass
class Result:
    """Of one fault."""

    tries: int = 0
    held: int = 0
    """Tries after which a key or button was still held."""
    elsewhere: int = 0
    """Presses that arrived in another window."""
    unclear: int = 0
    """Tries without a clear message, or with a wrong exit status."""
    free_s: list[float] = field(default_factory=list)
    """How long after the fault something was still held."""
    examples: list[str] = field(default_factory=list)
    """What is known of the tries that went wrong."""

    def note(self, stage: Stage, *, clear: bool, free_s: float, said: str = "") -> None:
        self.tries += 1
        self.free_s.append(free_s)
        held, elsewhere = stage.held(), stage.elsewhere()
        stage.let_go()
        stuck = held > 0 or free_s >= LIMIT_S
        self.held += stuck
        self.elsewhere += elsewhere
        self.unclear += not clear
        if stuck or elsewhere or not clear:
            self.examples.append(
                f"try {self.tries}: {held} held at the end, {elsewhere} presses elsewhere, free after "
                f"{free_s * 1000:.0f} ms; {'clear' if clear else 'not clear'}: {said.strip()[-600:]!r}"
            )

    def figures(self) -> dict[str, Any]:
        ms = [s * 1000 for s in self.free_s]
        return {
            "tries": self.tries,
            "held": self.held,
            "elsewhere": self.elsewhere,
            "unclear": self.unclear,
            "free_ms_p50": round(percentile(ms, 50) or 0.0, 1),
            "free_ms_max": round(max(ms, default=0.0), 1),
        }


def kill_agent(stage: Stage, tries: int, seed: int, advance: Advance) -> Result:
    """`kill -9` of the agent: the watchdog lets go and says so."""
    return _each(stage, tries, advance, lambda agent, game, window: agent.process.kill(), -9, "was killed")


def kill_game(stage: Stage, tries: int, seed: int, advance: Advance) -> Result:
    """`kill -9` of the game."""
    return _each(stage, tries, advance, lambda agent, game, window: game.kill(), 2, "was closed while the agent played")


def destroy_window(stage: Stage, tries: int, seed: int, advance: Advance) -> Result:
    """The game's window is destroyed by another program."""

    def destroy(agent: Agent, game: Any, window: Any) -> None:
        stage.destroy(window)

    return _each(stage, tries, advance, destroy, 2, "was closed while the agent played")


def _each(
    stage: Stage, tries: int, advance: Advance, fault: Callable[[Agent, Any, Any], None], status: int, words: str
) -> Result:
    """With a game and an agent of its own for each try."""
    result = Result()
    for n in range(tries):
        arena = n % ARENA_EVERY == ARENA_EVERY - 1
        with stage.game(arena=arena) as game, stage.agent("--policy", "random", arena=arena) as agent:
            window = stage.find(arena=arena)
            stage.while_held(partial(fault, agent, game, window), agent, words)
            free_s = stage.free_after_s(LIMIT_S)
            ended = agent.status()
            agent.wait_for(words)
            said = agent.said()
            clear = ended == status and is_clear(said, words)
            result.note(stage, clear=clear, free_s=free_s, said=f"{said} (exit status {ended})")
        advance()
    return result


def steal_focus(stage: Stage, tries: int, seed: int, advance: Advance) -> Result:
    """The focus goes elsewhere in the middle of a plan, in four ways."""
    result = Result()
    with stage.game():
        window = stage.find()
        thief = stage.thief.id

        def grab() -> None:
            stage.thief.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)

        def ask() -> None:  # the window manager does it as soon as the server is free
            stage.ask_for_focus(thief)

        popups = []

        def popup() -> None:  # a new window, as of a chat program: the window manager gives it the focus
            popups.append(stage._open("popup", 700, 100, 150, 150))

        ways = (lambda: stage.take_focus(thief), grab, ask, popup)
        for count in _runs(tries):
            with stage.agent("--policy", "random") as agent:
                for n in range(count):
                    how = n % len(ways)
                    lost = stage.while_held(ways[how], agent, LOST)
                    free_s = stage.free_after_s(LIMIT_S)
                    time.sleep(STAYS_S)
                    clear = agent.wait_for(LOST, lost)
                    result.note(stage, clear=clear, free_s=free_s, said=agent.said())
                    stage.x.ungrab_keyboard(X.CurrentTime)
                    while popups:
                        popups.pop().destroy()
                    stage.desktop.activate(window, timeout_s=5)
                    if how == 0:
                        stage.take_focus(window.id)  # the window manager did not learn of the theft
                    result.elsewhere += stage.elsewhere()  # nobody else types here
                    advance()
                _ends(stage, agent, result)
    return result


def server_down(stage: Stage, tries: int, seed: int, advance: Advance) -> Result:
    """The server of the policy refuses connections, dies in the middle of an answer, or hangs."""
    return _served(stage, tries, seed, advance, HOW[:3])


def random_bytes(stage: Stage, tries: int, seed: int, advance: Advance) -> Result:
    """A server says random bytes, and random text; the local parser gets random tokens."""
    result = _served(stage, tries - tries // 2, seed, advance, HOW[3:])
    if tries // 2:
        _add(result, _garbled(stage, tries // 2, seed, advance))
    return result


def _served(stage: Stage, tries: int, seed: int, advance: Advance, how: tuple[str, ...]) -> Result:
    result = Result()
    with stage.game(), DrillServer(seed) as server:
        for count in _runs(tries):
            policy = f"openai:{server.url}#drill,like=tiny,limit-ms=400"
            with stage.agent("--policy", policy) as agent:
                for n in range(count):
                    _trouble(stage, agent, result, partial(server.fail, how[n % len(how)]), server.mend)
                    advance()
                _ends(stage, agent, result)
    return result


def _garbled(stage: Stage, tries: int, seed: int, advance: Advance) -> Result:
    result = Result()
    tokens = stage.folder / "tokens.json"
    vocabulary = Path(_tiny()) / "tokenizer.json"
    said = json.loads(vocabulary.read_text(encoding="utf-8"))
    words = [*said["model"]["vocab"], *(token["content"] for token in said["added_tokens"])]
    tokens.write_text(json.dumps(words), encoding="utf-8")
    with stage.game():
        for n, count in enumerate(_runs(tries)):
            folder = stage.folder / f"garbled-{n}"
            command = [sys.executable, "-m", "benchmark.drill.garbled", str(stage.profile), str(folder)]
            with stage.start([*command, str(tokens), str(seed + n)]) as agent:
                toggle = partial(agent.process.send_signal, signal.SIGUSR1)
                for _ in range(count):
                    _trouble(stage, agent, result, toggle, toggle)
                    advance()
                _ends(stage, agent, result)
    return result


def _trouble(stage: Stage, agent: Agent, result: Result, fail: Callable[[], None], mend: Callable[[], None]) -> None:
    """One try in which the policy gives no plan for a while."""
    told = stage.while_held(fail, agent, TROUBLE)
    free_s = stage.free_after_s(LIMIT_S)
    time.sleep(STAYS_S)
    clear = agent.wait_for(TROUBLE, told)
    result.note(stage, clear=clear, free_s=free_s, said=agent.said())
    mend()


def _ends(stage: Stage, agent: Agent, result: Result) -> None:
    """The agent lives on through this fault, and then ends as it should; what it did since the last try counts too."""
    status = agent.end(signal.SIGTERM)
    if status != 128 + signal.SIGTERM or "Traceback" in agent.said():
        result.unclear += 1
        result.examples.append(f"exit status {status}: {agent.said().strip()[-300:]}")
    result.held += bool(stage.held())
    result.elsewhere += stage.elsewhere()


def _runs(tries: int) -> Iterator[int]:
    while tries > 0:
        yield min(RUN, tries)
        tries -= RUN


def _add(result: Result, other: Result) -> None:
    result.tries += other.tries
    result.held += other.held
    result.elsewhere += other.elsewhere
    result.unclear += other.unclear
    result.free_s += other.free_s
    result.examples += other.examples


def _tiny() -> str:
    from combatvla.policy.checkpoint import policy_folder

    return str(policy_folder("tiny"))


FAULTS: dict[str, Callable[[Stage, int, int, Advance], Result]] = {
    "kill-agent": kill_agent,
    "kill-game": kill_game,
    "destroy-window": destroy_window,
    "steal-focus": steal_focus,
    "server-down": server_down,
    "random-bytes": random_bytes,
}
