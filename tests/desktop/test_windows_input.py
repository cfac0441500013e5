"""What calls Windows, on a user32 and a pydirectinput that the test plays: this finds slips of the pen, and no more. It
was never tried on Windows."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import pytest

from combatvla.desktop.windows_input import BUTTONS, NAMED, WindowsHands


class Call:
    def __init__(self, answer) -> None:
        self.answer = answer

    def __call__(self, *args):
        return self.answer(*args)


@pytest.fixture
def system(monkeypatch):
    """A US keyboard of three letters, window 7 in front, at the pointer its child 71; `sent` is what went out."""
    codes = {ord("W"): 0x11, ord("R"): 0x13, ord("1"): 0x02}
    played = SimpleNamespace(sent=[], takes=True, down={0x10}, placed=[])

    def scan(virtual, how):
        assert how in (2, 4)
        return codes.get(virtual, 0) if how == 4 else virtual

    user = SimpleNamespace(
        GetForegroundWindow=Call(lambda: 7),
        IsWindow=Call(lambda id_: id_ == 7),
        WindowFromPoint=Call(lambda at: 71),
        GetAncestor=Call(lambda id_, how: 7 if (id_, how) == (71, 2) else 0),
        GetCursorPos=Call(lambda at: 1),
        SetCursorPos=Call(lambda x, y: played.placed.append((x, y))),
        GetAsyncKeyState=Call(lambda virtual: -0x8000 if virtual in played.down else 0),
        VkKeyScanW=Call(lambda char: {"w": 0x57, "r": 0x52, "1": 0x31, "!": 0x131}.get(char, -1)),
        MapVirtualKeyW=Call(scan),
    )
    library = SimpleNamespace(
        PAUSE=0.01,
        FAILSAFE=True,
        KEYBOARD_MAPPING={name: 0xE048 + i for i, name in enumerate(NAMED)},
        scancode_keyDown=lambda code: played.sent.append(("down", code)) or played.takes,
        scancode_keyUp=lambda code: played.sent.append(("up", code)) or played.takes,
        mouseDown=lambda button: played.sent.append(("down", button)),
        mouseUp=lambda button: played.sent.append(("up", button)),
        moveRel=lambda dx, dy, relative: played.sent.append((dx, dy, relative)),
    )
    monkeypatch.setattr(ctypes, "WinDLL", lambda name: user, raising=False)
    monkeypatch.setitem(sys.modules, "pydirectinput", library)
    played.hands, played.library = WindowsHands(), library
    return played


def test_keys_go_out_by_scan_codes_at_once(system):
    hands = system.hands
    assert system.library.PAUSE is None and system.library.FAILSAFE is False, "no rest, no error in the corner"
    assert hands.send("w", down=True) and hands.send("W", down=False) and hands.send("up", down=True)
    assert hands.send("mouse_right", down=True) and hands.move(30, -4)
    up = system.library.KEYBOARD_MAPPING["up"]
    assert system.sent == [("down", 0x11), ("up", 0x11), ("down", up), ("down", "right"), (30, -4, True)]
    system.takes = False
    assert not hands.send("w", down=True)


def test_the_keyboard_is_asked_for_its_keys(system):
    hands = system.hands
    assert all(map(hands.knows, [*NAMED, *BUTTONS, "w", "1"]))
    assert not hands.knows("!") and not hands.knows("q"), "with shift only; not there at all"
    assert hands.is_down("shift") and not hands.is_down("w") and not hands.is_down("mouse_left")


def test_windows_and_the_pointer(system):
    hands = system.hands
    assert hands.focused() == 7 and hands.exists(7) and not hands.exists(8) and hands.under_pointer() == 7
    hands.place_pointer(5, 6)
    assert system.placed == [(5, 6)]


def test_keys_of_a_person_have_the_profiles_names(system):
    name = system.hands._name
    assert name(SimpleNamespace(vk=0x51, char="\x11")) == "q", "with ctrl down"
    assert name(SimpleNamespace(name="ctrl_l", value=1)) == "ctrl"
    assert name(SimpleNamespace(name="f9")) == "f9"
