"""The command line: one table from words to modules. A module is imported only when its command is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import NamedTuple

from combatvla.errors import UserError


class Command(NamedTuple):
    module: str
    """Holds `main(argv: list[str]) -> int`."""
    help: str


COMMANDS: dict[str, Command] = {
    "demo": Command("benchmark.demo", "watch the shipped policy fight a boss in a window"),
    "doctor": Command("benchmark.doctor", "say what works on this machine, and how to mend what does not"),
    "tracker record": Command("tracker.record", "record a game window and your keys into a session"),
    "tracker windows": Command("tracker.windows", "list the open windows, to choose one to record"),
    "tracker demonstrate": Command("training.demonstrate", "let a scripted player press real keys, and record that"),
    "tracker check": Command("tracker.check", "check a session: what it holds, whether it is valid, and why not"),
    "tracker view": Command("tracker.view.command", "show a session in the browser, and flag bad spans"),
    "tracker explain": Command("tracker.annotate.command", "say of each recorded action why it was right"),
    "tracker balance": Command("tracker.balance", "count the actions in sessions or datasets"),
    "tracker export": Command("tracker.export.command", "turn sessions into an action-of-thought dataset"),
    "tracker bench": Command("tracker.bench", "measure what recording costs, beside a plain loop"),
    "tracker drill": Command("tracker.drill.command", "measure whether recordings are true, and what a crash loses"),
    "env play": Command("env.play", "play the Arena yourself, in a window"),
    "env flare": Command("env.flare.open", "play a boss fight in Flare, a real game"),
    "env watch": Command("env.watch", "watch a policy or a scripted player fight in a window"),
    "env tasks": Command("env.task_list", "list the fights, with a picture of each"),
    "env speed": Command("env.speed", "measure how many decisions a second the Arena gives, beside ViZDoom"),
    "env calibrate": Command("env.calibrate", "measure how often the scripted players win each fight"),
    "env soak": Command("env.soak", "play at random for millions of ticks, and look for what must not happen"),
    "env data": Command("training.sft.simulate", "make training data from the Arena, without a recording"),
    "train sft": Command("training.sft.train", "train a policy on action-of-thought data"),
    "serve": Command("combatvla.policy.serve", "serve a policy as an OpenAI-compatible server, by vLLM"),
    "agent run": Command("agent.run", "let a policy play a game window, live and unpaused"),
    "agent profile": Command("agent.profile", "write the profile of a game by asking for its keys and bars"),
    "agent replay": Command("tracker.view.replay", "show an episode in the browser, decision by decision"),
    "agent videos": Command("agent.videos", "make the clean film and the replay of an episode anew"),
    "bench latency": Command(
        "benchmark.latency", "measure how fast decisions are, beside generate() on the same weights"
    ),
    "bench flare": Command("benchmark.flare", "measure how well players fight in Flare, a real game"),
    "bench drill": Command("benchmark.drill.command", "let things go wrong, and look at what the agent leaves behind"),
    "bench combat": Command("benchmark.combat", "measure how well players fight, on seeds nobody trained on"),
}

ALIASES = {"tracker align": "tracker export"}
"""Earlier names of commands: they go on working."""

DISK_FULL = "the disk is full: free some space and run the command again; what was already written is kept"


def help_text(group: str | None = None) -> str:
    """The list of commands, of one group or of all."""
    rows = {words: c.help for words, c in COMMANDS.items() if group is None or words.startswith(group + " ")}
    width = max(map(len, rows))
    lines = [f"usage: combatvla {f'{group} ' if group else ''}COMMAND [OPTIONS]", ""]
    if group is None:
        lines += ["Record a fight, learn from it, measure it, and play: third-person action games, unpaused.", ""]
    lines += [f"  {words:<{width}}  {text}" for words, text in rows.items()]
    lines += ["", "`combatvla COMMAND --help` tells all about one of them; `combatvla --version` the version."]
    return "\n".join(lines)


def resolve(argv: list[str]) -> tuple[str, list[str]] | None:
    """The command that `argv` begins with and the arguments left for it, or None."""
    for count in (2, 1):
        words = " ".join(argv[:count])
        words = ALIASES.get(words, words)
        if len(argv) >= count and words in COMMANDS:
            return words, argv[count:]
    return None


def unknown_command(argv: list[str]) -> UserError:
    """The error for words that are no command, with the nearest ones that are."""
    import difflib

    words = " ".join(word for word in argv[:2] if not word.startswith("-")) or argv[0]
    near = difflib.get_close_matches(words, COMMANDS, n=2, cutoff=0.5)
    near = near or [command for command in COMMANDS if argv[0] in command.split()]
    hint = f"did you mean {' or '.join(f'`combatvla {n}`' for n in near)}?" if near else "see `combatvla --help`"
    return UserError(f"there is no command `combatvla {words}`; {hint}")


def run(argv: list[str]) -> int:
    """Carries out one command line; errors come out as exceptions."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if argv[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"combatvla {version('combatvla')}")
        return 0
    if (found := resolve(argv)) is not None:
        words, rest = found
        return importlib.import_module(COMMANDS[words].module).main(rest)
    group = argv[0]
    if any(words.startswith(group + " ") for words in COMMANDS) and (len(argv) == 1 or argv[1] in ("-h", "--help")):
        print(help_text(group))
        return 0 if len(argv) > 1 else 2
    raise unknown_command(argv)


def main(argv: list[str] | None = None) -> int:
    """Runs one command line and turns what goes wrong into one sentence and an exit status.

    0 done, 2 something the user can mend, 3 ended by the kill chord, 130 interrupted, 141 the reader of our output went
    away; a fault of ours keeps its traceback.
    """
    try:
        code = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"combatvla: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("combatvla: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more on its way out; give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            says = DISK_FULL
        elif error.errno in (errno.EACCES, errno.EROFS) and error.filename:
            says = f"{error.filename}: {error.strerror}; choose another path, or see to it that you may use this one"
        else:
            raise
        print(f"combatvla: {says}", file=sys.stderr)
        return UserError.exit_code
