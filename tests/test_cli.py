"""The command line: fast help, clear errors, exit statuses."""

import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from combatvla import cli
from combatvla.errors import UserError
from combatvla.report import json_line, progress, table
from tests.helpers import run_command


def test_help_lists_every_command_and_is_fast():
    best = 9.0
    for _ in range(5):
        began = time.perf_counter()
        done = run_command("--help")
        best = min(best, time.perf_counter() - began)
    assert done.returncode == 0
    assert all(words in done.stdout for words in cli.COMMANDS)
    assert best < 0.5


def test_help_imports_nothing_heavy():
    code = "import sys, combatvla.cli as c; c.main(['--help']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "transformers", "rich", "tyro", "pydantic", "panda3d", "cv2"} & set(loaded)


@pytest.mark.parametrize("words", cli.COMMANDS)
def test_every_command_has_a_module_with_main_and_help(words, capsys):
    module = cli.COMMANDS[words].module
    assert importlib.util.find_spec(module) is not None, f"{module} is missing"
    with pytest.raises(SystemExit) as left:
        cli.main([*words.split(), "--help"])
    assert left.value.code == 0
    assert f"combatvla {words}" in capsys.readouterr().out


@pytest.mark.parametrize("words", cli.COMMANDS)
def test_every_command_refuses_an_unknown_option(words, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([*words.split(), "--no-such-option"])
    assert left.value.code == 2
    assert f"combatvla {words} --help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["traker", "record"], "`combatvla tracker record`"),
        (["record"], "`combatvla tracker record`"),
        (["bench", "comabt"], "`combatvla bench combat`"),
        (["xyzzy"], "combatvla --help"),
        (["--verbose"], "no command `combatvla --verbose`"),
    ],
)
def test_unknown_commands_get_a_suggestion(argv, hint, capsys):
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert hint in err and len(err.strip().splitlines()) == 1


def test_a_group_alone_lists_its_commands(capsys):
    assert cli.main(["tracker"]) == 2
    out = capsys.readouterr().out
    assert "tracker record" in out and "bench combat" not in out
    assert cli.main(["tracker", "--help"]) == 0


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == "combatvla 0.1.0\n"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UserError("expected a window, found none; start the game"), 2, "start the game"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 2, "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), 2, "/root/x: Permission denied; choose"),
    ],
)
def test_errors_become_one_sentence_and_a_status(error, code, says, monkeypatch, capsys):
    def fail(argv):
        raise error

    monkeypatch.setattr(cli, "run", fail)
    assert cli.main(["demo"]) == code
    err = capsys.readouterr().err
    assert says in err and len(err.strip().splitlines()) == 1


def test_our_own_faults_keep_their_traceback(monkeypatch):
    def fail(argv):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(cli, "run", fail)
    with pytest.raises(OSError, match="broken"):
        cli.main(["demo"])


def test_a_reader_that_goes_away_is_no_error():
    ours = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, combatvla.cli as c\nfor _ in range(9999): code = c.main(['--help'])\nsys.exit(code)",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    ours.stdout.readline()
    ours.stdout.close()
    assert ours.wait(20) in (0, 141)
    assert b"Traceback" not in ours.stderr.read()
    ours.stderr.close()


def test_ctrl_c_in_a_real_process_exits_130():
    code = (
        "import sys, time, combatvla.cli as c\n"
        "c.run = lambda argv: (print('up', flush=True), time.sleep(30))\n"
        "sys.exit(c.main())"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ours.stdout.readline()
    ours.send_signal(signal.SIGINT)
    _, err = ours.communicate(timeout=20)
    assert ours.returncode == 130
    assert err == b"combatvla: interrupted\n"


def test_json_line_is_strict_and_one_line():
    record = {"rate": np.float32(0.5), "ci": (0.0, float("nan")), "n": np.int64(3), 1: np.arange(2), "text": "a\nb"}
    line = json_line(record)
    assert "\n" not in line
    assert json.loads(line) == {"rate": 0.5, "ci": [0.0, None], "n": 3, "1": [0, 1], "text": "a\nb"}


def test_table_shows_cells_as_they_are(capsys):
    table("Title", ["name", "value"], [["a", None], ["[bracket]", 1.5]])
    out = capsys.readouterr().out
    assert "–" in out and "[bracket]" in out and "1.5" in out


def test_progress_without_a_terminal_reports_the_end(capsys):
    with progress("fights", 2) as advance:
        advance(note="one")
        advance(note="two")
    out, err = capsys.readouterr()
    assert out == "" and "fights 2/2 two" in err


def test_module_and_console_command_are_the_same():
    script = os.path.join(os.path.dirname(sys.executable), "combatvla")
    if not os.path.exists(script):
        pytest.skip("combatvla is not installed in this environment")
    assert subprocess.run([script, "--help"], capture_output=True, text=True).stdout == run_command("--help").stdout
