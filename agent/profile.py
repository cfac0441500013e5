"""`combatvla agent profile`: asks for what a game's profile needs, and writes it."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.arguments import parse
from combatvla.errors import UserError, reason

if TYPE_CHECKING:
    from agent.ask import Terminal
    from combatvla.desktop.base import Desktop, Window

PROMPT = "Defeat the enemy. Which action comes next?"
CLICK_S = 60.0
NEEDED = {
    "name": "a name (--name)",
    "title": "how its window's title begins (--title)",
    "keys": "a key for each action",
    "hud": "where the bars are (hud)",
    "prompt": "what the policy is asked (prompt)",
}
"""What the profile of a game holds, for people."""


@dataclass
class Args:
    """Asks for your game's keys and bars, and writes its profile.

    Open the game in a window beside this terminal, then:

        combatvla agent profile
        combatvla agent profile --title "Dark Souls" --name souls
        combatvla agent profile --like wukong --name mywukong

    Keys are pressed and bars are clicked on in the game, or everything is typed here. Nothing but that window is
    listened to. Ctrl-C ends it and keeps what was answered. docs/games.md goes through it.
    """

    name: str | None = None
    """The profile's name; the file is called so too."""
    title: str | None = None
    """The window with this in its title: plain text, or a regular expression; in any case."""
    pid: int | None = None
    """The window of this process, or of a child of it."""
    click: bool = False
    """The window that you click on next."""
    like: str | None = None
    """A profile (by name or path) or a draft whose answers stand until you change them."""
    out: Path | None = None
    """Where to write it; by default NAME.yaml."""
    wait: float = 10.0
    """How many seconds to wait for the window."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "agent profile")
    from agent.ask import Ended, Terminal
    from agent.draft import before, checked_name

    data: dict[str, Any] = before(args.like) if args.like is not None else {}
    if args.name is not None:
        data["name"] = checked_name(args.name)
    if not sys.stdin.isatty():
        missing = [what for field, what in NEEDED.items() if not data.get(field)]
        raise UserError(
            "the questions are asked at a terminal, and standard input is none: run it there, or write the file by "
            "hand (docs/games.md)" + ("; still missing: " + ", ".join(missing) if missing else "")
        )
    from combatvla.desktop import open_desktop

    desktop = open_desktop(watch_only=True)
    try:
        if desktop.note:
            print(f"Note: {desktop.note}.", file=sys.stderr)
        ask = Terminal()
        window = chosen_window(args, desktop, data, ask)
        try:
            out = answers(ask, desktop, window, data, args.out)
        except (KeyboardInterrupt, Ended, UserError) as ended:
            ask.say()
            keep(data, args.out)
            if isinstance(ended, Ended):
                raise UserError("the terminal's input ended before all was answered") from None
            raise
    finally:
        desktop.close()
    ask.say(
        f"{out} is written. Next:\n"
        f"  combatvla tracker record --game {out} --out sessions/{data['name']}\n"
        f"  combatvla agent run --game {out}            # decides and presses nothing; --armed plays"
    )
    return 0


def answers(ask: Terminal, desktop: Desktop, window: Window, data: dict[str, Any], out: Path | None) -> Path:
    """Asks for everything, into `data`, and writes the profile. `WindowGone` when the window is closed meanwhile."""
    from agent.ask_hud import ask_hud
    from agent.ask_keys import ask_keys
    from agent.draft import as_yaml
    from combatvla.desktop.capture import WindowCapture
    from combatvla.desktop.ear import Ear
    from combatvla.profiles import load_profile

    ask.say(f"The window {window.title!r}, {window.width}x{window.height}. Enter keeps what stands in brackets.\n")
    ask_window(ask, window, data)
    path = out or Path(f"{data['name']}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        capture = stack.enter_context(WindowCapture(window, desktop=desktop))
        ear = Ear(desktop, window, ask.hear)
        stack.callback(ear.close)
        ask_keys(ask, data)
        ask_hud(ask, desktop, capture, data, fresh(path.with_name(f"{path.stem}-window.png")))
    data["prompt"] = ask.line("What the policy is asked", data.get("prompt", PROMPT).strip())
    check(data)
    path = free_path(ask, path)
    path.write_text(as_yaml(data), encoding="utf-8")
    load_profile(str(path))
    return path


def chosen_window(args: Args, desktop: Desktop, data: dict[str, Any], ask: Terminal) -> Window:
    """The game's window, as the arguments, the profile or the person say. `UserError` when there is none."""
    from combatvla.desktop.choose import choose_window

    if not args.click:
        if args.title is not None or args.pid is not None:
            return choose_window(desktop, title=args.title, pid=args.pid, wait_s=args.wait)
        while True:
            windows = desktop.windows()
            ask.say("Which window is the game?")
            for number, window in enumerate(windows, 1):
                named = f" ({', '.join(window.programs)})" if window.programs else ""
                ask.say(f"  {number}  {window.title or 'no title'}{named}, {window.width}x{window.height}")
            fitting = [w for w in windows if data.get("title") and w.title.startswith(data["title"])]
            said = ask.line("Its number, or c to click on it", str(windows.index(fitting[-1]) + 1) if fitting else "c")
            if said == "c":
                break
            if said.isdigit() and 0 < int(said) <= len(windows):
                return windows[int(said) - 1]
    ask.say("Click on the game's window (Escape or the right button: none).")
    window = desktop.pick_window(timeout_s=CLICK_S)
    if window is None:
        raise UserError("no window was chosen: run the command again and click into the game's window, or give --title")
    return window


def ask_window(ask: Terminal, window: Window, data: dict[str, Any]) -> None:
    """The name, and how the window is known again."""
    from agent.draft import checked_name

    while not data.get("name"):
        with_told(
            ask, lambda: data.update(name=checked_name(ask.line("A short name for the game", slug(window.title))))
        )
    before = data.get("title", "")
    default = before if before and window.title.startswith(before) else window.title.rstrip()
    while True:
        title = ask.line("Its window's title begins with (leave out what changes)", default)
        if title and window.title.startswith(title):
            break
        ask.say(f"  the title is {window.title!r}: type its beginning")
    data["title"] = title
    known = data.pop("program", ())
    programs = tuple(dict.fromkeys([*((known,) if isinstance(known, str) else known), *window.programs]))
    if programs and ask.yes(f"Only windows of the program {' or '.join(programs)}"):
        data["program"] = list(programs)
    elif not programs:
        ask.say("  its program does not say its name: every window with such a title counts as the game")
    data.setdefault("fps", 60)
    while True:
        shape = ":".join(map(str, data.get("aspect") or ())) or "any"
        said = ask.line("Its picture keeps this shape in windows of another one (such as 16:9, or any)", shape)
        if found := re.fullmatch(r"(\d{1,2}):(\d{1,2})", said):
            data["aspect"] = [int(found[1]), int(found[2])]
            return
        if said in ("any", ""):
            data.pop("aspect", None)
            return


def with_told(ask: Terminal, step: Any) -> None:
    """Calls `step`; what the person can mend is told, and asked anew by the caller."""
    try:
        step()
    except UserError as error:
        ask.say(f"  {error}")


def slug(title: str) -> str:
    """A short name out of a title."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower())[:2]) or "game"


def check(data: dict[str, Any]) -> None:
    """`UserError` unless the answers are a profile."""
    from combatvla.profiles import GameProfile

    try:
        GameProfile.model_validate(data)
    except ValueError as error:
        raise UserError(f"the answers are no profile yet: {reason(error)}") from error


def fresh(path: Path) -> Path:
    """`path`, or one beside it that does not exist yet."""
    stem = path.stem
    for number in range(2, 1000):
        if not path.exists():
            break
        path = path.with_stem(f"{stem}-{number}")
    return path


def free_path(ask: Terminal, path: Path) -> Path:
    """`path`, or another one where that exists and is to be kept."""
    while path.exists() and not ask.yes(f"{path} exists. Write over it?", default=False):
        path = Path(ask.line("Write it to", str(path.with_stem(path.stem + "-2"))))
    return path


def keep(data: dict[str, Any], out: Path | None) -> None:
    """Writes what was answered so far beside where the profile would be, and says so."""
    if not data.keys() - {"name", "fps"}:
        return
    from agent.draft import as_yaml

    path = (out or Path(f"{data.get('name', 'game')}.yaml")).with_suffix(".draft.yaml")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_yaml(data, draft=True), encoding="utf-8")
        print(f"what was answered is kept: go on with `combatvla agent profile --like {path}`", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
