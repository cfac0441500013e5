"""The set-up: pins, packaging and the scripts behind `make`."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(*, here: bool = False) -> dict[str, str]:
    """Versions by name; `here`: without those of other systems."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = [Requirement(line) for line in lines if line and not line.startswith("#")]
    if here:
        exact = [pin for pin in exact if pin.marker is None or pin.marker.evaluate()]
    return {pin.name.lower().replace("_", "-"): str(pin.specifier).removeprefix("==") for pin in exact}


def script(*argv: str, path: str | None = None, **env: str) -> subprocess.CompletedProcess:
    """Runs scripts/setup.sh with nothing in its environment but what is given."""
    return subprocess.run(
        [shutil.which("bash"), ROOT / "scripts/setup.sh", *argv],
        capture_output=True,
        text=True,
        env={"PATH": path or os.environ["PATH"], **env},
        timeout=60,
    )


def test_every_dependency_is_pinned_to_a_version_it_accepts():
    exact = pins()
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        wanted = Requirement(text)
        assert wanted.name in exact, f"constraints.txt does not pin {wanted.name}"
        assert wanted.specifier.contains(exact[wanted.name]), f"{wanted.name} {exact[wanted.name]} against {wanted}"


def test_pins_carry_no_local_versions_and_need_no_compiler():
    exact = pins()
    assert not [name for name, version in exact.items() if "+" in version or "@" in version]
    assert "evdev" not in exact


def test_pins_cover_what_the_installed_packages_require():
    """`make` installs the list without resolving, so it must be complete."""
    from importlib.metadata import PackageNotFoundError, requires

    exact = pins(here=True)
    lacking = set()
    for name in exact:
        try:
            wanted = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed here")
        for requirement in wanted:
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            key = requirement.name.lower().replace("_", "-").replace(".", "-")
            if key not in exact:
                lacking.add(key)
            elif not requirement.specifier.contains(exact[key], prereleases=True):
                lacking.add(f"{requirement} (for {name}, pinned {exact[key]})")
    # evdev is left out knowingly; a CUDA build of torch brings its own companions when it is installed.
    assert {name for name in lacking if name != "evdev" and not name.startswith(("nvidia", "triton", "cuda"))} == set()


def test_the_wheel_holds_every_module_and_its_data(tmp_path):
    """Built from a copy, so that nothing is left in the work tree."""
    packages = ("combatvla", "tracker", "env", "benchmark", "agent", "training")
    for name in packages:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path / "out",
        tmp_path,
    ]
    done = subprocess.run(build, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").glob("combatvla-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for name in packages
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert {path for path in wanted if path.endswith(".yaml")}
    assert wanted - held == set()


def test_display_step_has_nothing_to_do_with_a_display():
    done = script("display", DISPLAY=":5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def bare_path(folder: Path, *extra: str) -> str:
    """A PATH that holds only what the script itself calls."""
    for name in ("bash", "dirname", "id", "sed", "mktemp", *extra):
        (folder / name).symlink_to(shutil.which(name))
    return str(folder)


def stand_in(folder: Path, name: str, text: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(f"#!{shutil.which('bash')}\n{text}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(("user", "apt"), [(1000, True), (0, False)], ids=["a user", "root without apt"])
def test_who_cannot_install_is_told_what_is_missing(user, apt, tmp_path):
    path = bare_path(tmp_path)
    stand_in(tmp_path, "id", f"echo {user}")
    if apt:
        stand_in(tmp_path, "apt-get", "exit 9")
    done = script("display", path=path)
    assert done.returncode == 1
    assert "sudo apt-get install --no-install-recommends xvfb openbox" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_root_on_debian_gets_them_installed(tmp_path):
    path = bare_path(tmp_path, "rm", "cat")
    stand_in(tmp_path, "id", "echo 0")
    stand_in(tmp_path, "apt-get", f'echo "$@" >> {tmp_path}/asked')
    done = script("display", "always", path=path, DISPLAY=":5")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^install .*xvfb openbox$", (tmp_path / "asked").read_text(encoding="utf-8"), re.M)


def test_the_tests_run_without_a_browser_too(tmp_path):
    """Whoever cannot install one is told how, and `make test` goes on; root on Debian gets it installed."""
    path = bare_path(tmp_path, "rm", "cat", "tail")
    stand_in(tmp_path, "id", "echo 1000")
    done = script("browser", path=path)
    assert done.returncode == 0
    assert "sudo apt-get install --no-install-recommends chromium chromium-driver" in done.stderr
    assert "skipped" in done.stderr
    stand_in(tmp_path, "id", "echo 0")
    stand_in(tmp_path, "apt-get", "echo no such package; exit 100")
    done = script("browser", path=path)
    assert done.returncode == 0 and "no such package" in done.stderr and "skipped" in done.stderr
    stand_in(tmp_path, "apt-get", f'echo "$@" >> {tmp_path}/asked')
    done = script("browser", path=path)
    assert done.returncode == 0 and "skipped" not in done.stderr
    assert re.search(r"^install .*chromium chromium-driver$", (tmp_path / "asked").read_text(encoding="utf-8"), re.M)
    for name in ("chromium", "chromedriver"):
        stand_in(tmp_path, name, "exit 9")
    done = script("browser", path=path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_install_that_fails_shows_why(tmp_path):
    path = bare_path(tmp_path, "tail")
    stand_in(tmp_path, "id", "echo 0")
    stand_in(tmp_path, "apt-get", "echo no network; exit 100")
    done = script("display", path=path)
    assert done.returncode == 1
    assert "no network" in done.stderr and "could not install" in done.stderr


def test_make_targets_exist():
    made = subprocess.run(["make", "-C", ROOT, "-n", "help"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    listed = subprocess.run(
        ["make", "-s", "--no-print-directory", "-C", ROOT, "help"], capture_output=True, text=True
    ).stdout
    assert {"demo", "test", "lint", "clean", "help", "setup"} <= set(re.findall(r"make (\w+)", listed))


def test_ci_calls_make_test():
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "make test" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_license_is_apache_2():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Copyright 2026 The CombatVLA Authors" in text and "[yyyy]" not in text


def test_a_python_that_is_too_old_is_named(tmp_path):
    """In a copy, where there is no .venv yet."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    path = bare_path(tmp_path / "bin")
    stand_in(tmp_path / "bin", "python-old", "exit 1")
    command = [shutil.which("bash"), tmp_path / "scripts/setup.sh"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PATH": path, "PYTHON": "python-old"}, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == "setup: PYTHON=python-old is not a Python 3.11 or newer\n"


def test_a_python_without_venv_gets_the_package_that_has_it(tmp_path):
    """Debian's python3 comes without ensurepip; the package is named after the interpreter's version."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    path = bare_path(tmp_path / "bin")
    stand_in(tmp_path / "bin", "id", "echo 1000")
    answers = 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.11;; esac'
    stand_in(tmp_path / "bin", "python3.11", answers)
    command = [shutil.which("bash"), tmp_path / "scripts/setup.sh"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, timeout=60)
    assert done.returncode == 1
    assert "sudo apt-get install --no-install-recommends python3.11-venv" in done.stderr


@pytest.mark.parametrize(("gpu", "torch"), [(True, "torch==="), (False, "torch==")], ids=["with a GPU", "without"])
def test_which_torch_is_installed(gpu, torch, tmp_path):
    """`==` also takes a CPU build (2.13.0+cpu), `===` only the plain one. pip is a stand-in."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "scripts")
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    stand_in(tmp_path / ".venv/bin", "python", f'echo "$@" >> {tmp_path}/asked')
    (tmp_path / "bin").mkdir()
    path = bare_path(tmp_path / "bin")
    stand_in(tmp_path / "bin", "nvidia-smi", f"exit {0 if gpu else 9}")
    command = [shutil.which("bash"), tmp_path / "scripts/setup.sh"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, timeout=60)
    assert done.returncode == 0, done.stderr
    asked = [line for line in (tmp_path / "asked").read_text(encoding="utf-8").splitlines() if "install" in line]
    assert len(asked) == 3
    assert asked[0].endswith(f"-c constraints.txt {torch}{pins()['torch']}")
    assert asked[1].endswith("--no-deps -r constraints.txt")
    assert asked[2].endswith("--no-deps --no-build-isolation -e .")
