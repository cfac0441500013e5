"""Input into one window, guarded: only a profile's keys, only while that window has the focus, never left held.

The guard lives here, at the lowest level, so that no caller can get round it. One thread owns the connection to the X
server and does everything: it checks the focus before each press, hears of a lost focus, a closed window or a keyboard
that another program has grabbed (a screen lock) from the server within about a millisecond and lets go at once, and
cannot be interrupted by a signal halfway through a request (Python runs signal handlers in the main thread). A watchdog
process lets go after `kill -9`, and when this process stands still.

Around the last question about the focus and the press the server is grabbed: it then does nothing for any other
program, and so the focus cannot go elsewhere in between. A process stopped in that moment is cut off by the watchdog,
so that the screen does not stay frozen.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from queue import SimpleQueue

from combatvla.actions import Action
from combatvla.desktop import rawinput, watchdog
from combatvla.desktop.base import Desktop, DisplayEnded, Window, WindowGone
from combatvla.desktop.exits import release_on_exit
from combatvla.desktop.focus import X11Focus
from combatvla.desktop.grip import Grip, Killed
from combatvla.desktop.human import Human
from combatvla.desktop.limits import DEFAULT, Limits, Meter
from combatvla.desktop.sender import Sender
from combatvla.desktop.x11 import BUTTONS, GONE, LOST, connect, gone_as_user_error, key_code
from combatvla.errors import UserError
from combatvla.profiles import GameProfile

__all__ = ["GuardedInjector", "release_on_exit"]
STILL_S = 0.7 * watchdog.STILL_S
"""After a standstill of so long, the watchdog may have let go of everything."""
ARMED, DRY, NO_FOCUS, HUMAN, KILLED = "armed", "dry run", "no focus", "human", "killed"
"""The modes of an injector."""


class GuardedInjector:
    """`Injector` on X11.

    `armed=False` is a dry run: focus and window are checked as ever, nothing is sent. `held` says what is held (dry:
    would be). Actions for which the profile has no key (the Arena has none for `block`) hold nothing.

    Given a `grip`, it heeds the person (`combatvla.desktop.human`): while the person has control, nothing is held, and
    after the kill chord every call raises `Killed`. `mode` is `armed`, `dry run`, `no focus`, `human` or `killed`;
    `on_mode(t_ns, mode)` hears of each change from the injector's thread, and must not call the injector. What goes
    beyond `limits` is left out and counted in `meter.left_out`; `on_limit` gets a sentence about it, once.
    """

    def __init__(
        self,
        desktop: Desktop,
        window: Window,
        profile: GameProfile,
        *,
        armed: bool,
        grip: Grip | None = None,
        limits: Limits = DEFAULT,
        on_mode: Callable[[int, str], None] = lambda t_ns, mode: None,
        on_limit: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.window = desktop.geometry(window)
        self.armed = armed
        self.held: frozenset[Action] = frozenset()
        self.mode = ""
        self.meter = Meter(limits, on_limit)
        self._on_mode = on_mode
        self._human: Human | None = None
        self._has_focus = False
        if grip is not None:
            grip.check(profile.keys.values())
        self._x = connect()
        try:
            with gone_as_user_error(window.title):
                self._codes = {a: key_code(self._x, k) for a, k in profile.keys.items() if k not in BUTTONS}
                self._focus = X11Focus(window, self._x, wary=True, other=self._heed_input)
                if grip is not None:
                    self._human = Human(self._x, grip)
                    rawinput.listen(self._x)
        except UserError:
            self._x.close()
            raise
        self._buttons = {a: BUTTONS[k] for a, k in profile.keys.items() if k in BUTTONS}
        self.press = frozenset(profile.press)
        self.look_speed = profile.look.speed if profile.look else 0.0
        self._root = self._x.screen().root
        self._target = self._x.create_resource_object("window", window.id)
        self._failure: UserError | None = None
        self._jobs: SimpleQueue[tuple[Callable[[], object], _Answer]] = SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        self._closed = False
        self._lock = threading.RLock()  # a signal's handler may call in the middle of a call
        self._beaten = time.monotonic()
        self._watchdog = None
        if armed:
            self._repeating = watchdog.repeating(self._x, self._codes.values())
            self._watchdog = watchdog.start(self._codes.values(), self._buttons.values(), self._x.fileno())
        self._sender = Sender(self._x, self._codes, self._buttons, self._watchdog, self._human)
        self._thread = threading.Thread(target=self._run, name="injector", daemon=True)
        self._thread.start()
        try:
            self._ask(self._begin)
        except BaseException:
            self.close()
            raise

    # What callers use, from any thread.

    def set_held(self, actions: frozenset[Action]) -> bool:
        """Holds exactly the inputs of `actions` and releases the others; sends only the difference, and has been
        carried out by the server when it returns.

        False when the window is without the focus, when another program has grabbed the keyboard (for buttons: the
        pointer), and while the person has control: then nothing is held and nothing was sent. Raises `WindowGone` when
        it was closed, `Killed` after the kill chord, `UserError` when the watchdog was killed.
        """
        wanted = frozenset(a for a in actions if a in self._codes or a in self._buttons)
        return bool(self._ask(lambda: self._set(wanted)))

    def turn(self, dx: int, dy: int) -> bool:
        """Moves the mouse by so many counts to the right and down, relative to where it is: so the camera of a game
        that holds the pointer is turned. Has been carried out by the server when it returns.

        False, and nothing sent, where the profile has no `look`, without the focus, and while another program has
        grabbed the keyboard or the pointer. Raises `WindowGone` when the window was closed.
        """
        return bool(self._ask(lambda: self._turn(dx, dy)))

    def release_all(self) -> None:
        """Lets go of everything held here, and of the profile's keys that another injector left held."""
        self._ask(self._release)

    def stop_process(self) -> None:
        """Lets go of everything and stops this process, as SIGTSTP does by default; returns when it goes on."""
        with suppress(UserError):  # the display ended: nothing is held
            if self._ask(self._release_and_stop):
                return
        os.kill(os.getpid(), signal.SIGTSTP)

    def close(self) -> None:
        """Lets go of everything and ends. May be called again; other calls then do nothing. Raises no `UserError`."""
        answer = _Answer()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put((self._release, answer))
            os.write(self._wake_write, b"!")
            os.close(self._wake_write)  # the thread ends after this last job
        try:
            answer.get()
            released = True
        except UserError:
            released = False
        self._thread.join(5)
        os.close(self._wake_read)
        with suppress(*LOST):
            if self._watchdog is not None:
                # Otherwise it tries the release once more, over its own connection.
                watchdog.stop(self._watchdog, released=released)
                if self._watchdog.returncode:  # it was killed
                    watchdog.repeat(self._x, self._repeating, on=True)
            self._x.close()

    def __enter__(self) -> GuardedInjector:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    # What the injector's thread does.

    def _ask(self, job: Callable[[], object]) -> object:
        """Has the thread carry out `job` and gives its result or error; None once closed."""
        answer = _Answer()
        with self._lock:
            if self._closed:
                return None
            self._jobs.put((job, answer))
            os.write(self._wake_write, b"!")
        return answer.get()

    def _run(self) -> None:
        fd = self._x.fileno()
        while True:
            # A lost connection's socket is closed; what is left to do then is to answer with the failure.
            heard = [self._wake_read, fd] if self._failure is None else [self._wake_read]
            ready = select.select(heard, [], [], watchdog.BEAT_S)[0]
            self._beat()
            ended = self._wake_read in ready and not os.read(self._wake_read, 64)
            if fd in ready:
                self._guarded(self._heed_events)
            # All that wait, at the end too: a caller that a signal interrupts may leave one without a wake.
            for _ in range(self._jobs.qsize()):
                job, answer = self._jobs.get()
                answered = self._guarded(job)
                if self._failure is None:
                    self._guarded(self._heed_events)  # events that came in together with a reply
                answer.put(*answered)
            if ended:
                return

    def _beat(self) -> None:
        """Gives the watchdog its sign of life; lets go after a standstill, so that what it released is pressed anew."""
        now = time.monotonic()
        still_s = now - self._beaten
        if still_s > STILL_S:
            self._guarded(self._drop)
        if still_s > watchdog.BEAT_S / 2:
            self._beaten = now
            if self._watchdog is not None:
                watchdog.beat(self._watchdog)

    def _guarded(self, job: Callable[[], object]) -> tuple[object, Exception | None]:
        if self._failure is not None:
            return None, self._failure
        try:
            return job(), None
        except GONE:
            error = WindowGone(f"the window {self.window.title!r} was closed: start the game again")
            try:
                self._drop()
            except LOST:
                self._failure = error
            return None, error
        except LOST as problem:
            self._failure = DisplayEnded(f"the display of the window {self.window.title!r} ended ({problem})")
            if time.monotonic() - self._beaten >= watchdog.GRABBED_STILL_S and _display_answers():
                self._failure = UserError(
                    "this process stood still in the middle of a press, and the watchdog let go of everything: start "
                    "again"
                )
            self.held = frozenset()
            return None, self._failure
        except Exception as error:  # the caller's to see; this thread must live on to let go of the keys
            return None, error

    def _begin(self) -> None:
        self._target.get_geometry()
        self._release()  # what a crashed predecessor left held
        self._heed_events()

    def _set(self, wanted: frozenset[Action]) -> bool:
        if self._watchdog is not None and self._watchdog.poll() is not None:
            self._drop()
            raise UserError(
                "the watchdog that frees the keys after a crash was killed, so no input is sent: start again"
            )
        self.meter.no_longer_wanted(wanted)
        released = _ordered(self.held - wanted)
        pressed: list[Action] = []
        for action in _ordered(wanted - self.held):
            if self.meter.may_press(action, len(pressed)):
                pressed.append(action)
        if pressed and any(a in self._buttons for a in pressed) and self._allowed():
            self._pointer_inside()
        # Releases need no grab, nor does it to ask whether what is held may go on being held.
        with self._sender.grabbed() if pressed else nullcontext():
            allowed = self._allowed() if wanted else True
            # A button goes to the window under the pointer, whatever has the focus.
            if not allowed or (any(a in self._buttons for a in pressed) and not self._pointer_is_inside()):
                self._drop()
                return False
            for action in released:
                self._sender.send(action, down=False)
            for action in pressed:
                self._sender.send(action, down=True)
                self.meter.pressed(action)
        self.held = self.held & wanted | frozenset(pressed)
        if self.armed and (pressed or released):
            self._x.sync()
        return True if wanted else self._allowed()

    def _turn(self, dx: int, dy: int) -> bool:
        if not self.look_speed:
            return False
        if not self._allowed():
            self._drop()
            return False
        self._pointer_inside()
        if not self.armed or not self.meter.move(abs(dx) + abs(dy)):
            return True
        with self._sender.grabbed():
            if not self._allowed() or not self._pointer_is_inside():
                return False
            self._sender.move(dx, dy, relative=True)
        self._x.sync()
        return True

    def _drop(self) -> None:
        """Releases what is held here."""
        if self.held:
            for action in _ordered(self.held):
                self._sender.send(action, down=False)
            self.held = frozenset()
            self._x.sync()

    def _release(self) -> None:
        self._drop()
        self._sender.release_everything()

    def _release_and_stop(self) -> bool:
        with suppress(LOST):  # the next job tells of it
            self._release()
        # To this very thread: sent to the process, it might go on for a moment, and press what another thread asks for.
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
        return True

    def _heed_input(self, event: object, focused: bool) -> None:
        if self._human is not None and (heard := rawinput.heard(event)) is not None:
            # After a standstill it was the watchdog that let go.
            mine = () if time.monotonic() - self._beaten > STILL_S else self.held
            self._human.heed(heard, focused=focused, held=[self._codes[a] for a in mine if a in self._codes])

    def _heed_events(self) -> None:
        """Lets go when the focus went elsewhere or the person takes over. The window's end arrives here too."""
        while self._x.pending_events():  # again, as letting go may bring further events with it
            if not self._told():
                self._drop()
        self._note_mode()

    def _told(self) -> bool:
        """Whether anything may be held, by what the server has told."""
        had, self._has_focus = self._has_focus, self._focus.told()
        if self._human is not None:
            if self._has_focus and not had:
                self._human.settle()
            if self._human.killed or self._human.taken:
                return False
        return self._has_focus

    def _note_mode(self) -> None:
        if self._human is not None and self._human.killed:
            mode = KILLED
        elif self._human is not None and self._human.taken:
            mode = HUMAN
        elif not self._has_focus:
            mode = NO_FOCUS
        else:
            mode = ARMED if self.armed else DRY
        if mode != self.mode:
            self.mode = mode
            self._on_mode(time.monotonic_ns(), mode)

    def _allowed(self) -> bool:
        """Whether anything may be held now. Raises `Killed` after the kill chord."""
        self._x.sync()  # what the server has to tell comes with its answer
        if self._told():
            return True
        if self._human is not None and self._human.killed:
            self._drop()
            raise Killed("killed by the kill chord: every key was let go")
        self._target.get_geometry()  # tells a closed window from one without the focus
        return False

    def _pointer_is_inside(self) -> bool:
        return not self.armed or self._focus.told_of_pointer()

    def _pointer_inside(self) -> None:
        """Puts the pointer into the middle of the window when it is elsewhere, and is nobody else's."""
        if self._pointer_is_inside() or self._focus.pointer_is_grabbed():  # by a menu, say
            return
        shape = self._target.get_geometry()
        at = self._root.translate_coords(self._target, shape.width // 2, shape.height // 2)
        self._sender.move(at.x, at.y)
        self._x.sync()


def _display_answers() -> bool:
    try:
        connect().close()
    except UserError:
        return False
    return True


def _ordered(actions: frozenset[Action]) -> list[Action]:
    return [a for a in Action if a in actions]


class _Answer:
    """A result handed from the injector's thread to the caller that waits for it."""

    def __init__(self) -> None:
        self._box: SimpleQueue[tuple[object, Exception | None]] = SimpleQueue()

    def put(self, result: object, error: Exception | None) -> None:
        self._box.put((result, error))

    def get(self) -> object:
        result, error = self._box.get()
        if error is not None:
            raise error
        return result
