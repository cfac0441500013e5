"""What an actuator does to a real window: steps at their times, keys pressed anew, a camera that turns evenly."""

from __future__ import annotations

import time

import pytest

from combatvla.actions import WAIT_PLAN, Action, Plan, Step
from combatvla.desktop.actuator import UP_MS, Actuator
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.limits import Limits
from combatvla.profiles import Look
from tests.helpers import until

A = Action
QUIET_MS = 40
"""An own machine is within a millisecond or two; others get more time."""


@pytest.fixture
def play(desktop, arena, ears, down):
    """`play(*plans, every_ms=…, press=…, look=…)`: the plans one after another, and what the window heard."""
    hearing, window = ears

    def run(*plans: Plan, every_ms: float = 100, armed: bool = True, **options):
        profile = arena.model_copy(update=options)
        with GuardedInjector(desktop, window, profile, armed=armed) as injector, Actuator(injector) as actuator:
            hearing.heard()
            begun = []
            due = time.monotonic()
            for plan in plans:
                begun.append(actuator.start(plan))
                due += every_ms / 1000
                time.sleep(max(0.0, due - time.monotonic()))
            time.sleep(0.05)
        return hearing.heard(), begun

    return run


def test_combined_holds_and_buttons_have_their_durations(play):
    plan = Plan(
        (
            Step.of(A.SPRINT, A.MOVE_FORWARD, A.LIGHT_ATTACK, ms=200),
            Step.of(A.SPRINT, A.HEAVY_ATTACK, ms=300),
            Step.of(A.MOVE_BACK, ms=50),
        )
    )
    heard, _ = play(plan, every_ms=700)
    began = heard[0][0]
    spans = {key: [t - began for t, k, _ in heard if k == key] for key in ("50", "w", "button1", "button3", "s")}
    for key, expected in {
        "50": (0, 500),
        "w": (0, 200),
        "button1": (0, 200),
        "button3": (200, 500),
        "s": (500, 550),
    }.items():
        assert len(spans[key]) == 2, key
        assert all(-QUIET_MS <= a - b <= QUIET_MS for a, b in zip(spans[key], expected, strict=True)), (key, spans)


def presses(heard, key: str) -> list[tuple[int, bool]]:
    return [(t, went) for t, k, went in heard if k == key]


ATTACK = Plan.of(A.MOVE_FORWARD, A.LIGHT_ATTACK, ms=300)


def test_holding_goes_on_where_the_game_wants_no_new_press(play):
    heard, _ = play(ATTACK, ATTACK, ATTACK)
    assert [went for _, went in presses(heard, "button1")] == [True, False]


def test_each_decision_presses_anew_what_acts_at_the_press(play):
    heard, begun = play(ATTACK, ATTACK, ATTACK, press=(A.LIGHT_ATTACK,))
    attacks = presses(heard, "button1")
    assert [went for _, went in attacks] == [True, False] * 3
    ups = [b - a for (a, _), (b, _) in zip(attacks[1:-1:2], attacks[2::2], strict=True)]
    assert all(UP_MS - 2 <= ms <= UP_MS + 2 * QUIET_MS for ms in ups)
    assert [went for _, went in presses(heard, "w")] == [True, False], "the rest is held on"
    assert all(changed for _, changed in begun)
    told = [ns / 1e6 for ns, _ in begun]
    downs = [t for t, went in attacks if went]
    for i in (1, 2):
        assert (told[i] - told[0]) == pytest.approx(downs[i] - downs[0], abs=QUIET_MS), "told when it was down again"


def test_each_step_presses_anew_and_a_decision_may_come_in_between(play):
    plan = Plan((Step.of(A.LIGHT_ATTACK, ms=150), Step.of(A.LIGHT_ATTACK, A.DODGE, ms=150), Step.of(A.DODGE, ms=100)))
    heard, _ = play(plan, plan, every_ms=220, press=(A.LIGHT_ATTACK, A.DODGE))
    # the second plan begins in the second step of the first, and the dodge's second step presses it anew
    assert [went for _, went in presses(heard, "button1")] == [True, False] * 4
    assert [went for _, went in presses(heard, " ")][:3] == [True, False, True]


def motion(heard) -> tuple[float, float]:
    return tuple(sum(moved[i] for _, key, moved in heard if key == "mouse") for i in (0, 1))


def test_the_camera_turns_by_its_speed_and_evenly(play):
    plan = Plan(
        (Step.of(A.LOOK_RIGHT, A.MOVE_FORWARD, ms=500), Step.of(A.LOOK_LEFT, A.LOOK_UP, ms=200), Step.of(A.WAIT))
    )
    heard, _ = play(plan, every_ms=900, look=Look(speed=333))
    right = [moved[0] for _, key, moved in heard if key == "mouse" and moved[0] > 0]
    assert sum(right) == pytest.approx(333 * 0.5, abs=2) and len(right) >= 15
    assert motion(heard) == (pytest.approx(333 * 0.3, abs=2), pytest.approx(-333 * 0.2, abs=2))
    assert [went for _, went in presses(heard, "w")] == [True, False]


def test_a_new_decision_ends_the_turn(play):
    heard, _ = play(Plan.of(A.LOOK_DOWN, ms=1000), WAIT_PLAN, every_ms=300, look=Look(speed=1000))
    assert 250 <= motion(heard)[1] <= 400 and motion(heard)[0] == 0


def test_a_slow_camera_gets_its_fractions(play):
    heard, _ = play(Plan.of(A.LOOK_LEFT, ms=1000), every_ms=1100, look=Look(speed=7))
    assert motion(heard)[0] == pytest.approx(-7, abs=1)


@pytest.mark.parametrize(("armed", "options"), [(True, {}), (False, {"look": Look(speed=1000)})])
def test_no_camera_without_a_speed_or_arms(play, armed, options):
    heard, _ = play(Plan.of(A.LOOK_LEFT, ms=200), every_ms=300, armed=armed, **options)
    assert motion(heard) == (0, 0)


def test_no_motion_without_the_focus(desktop, arena, ears, probe, down):
    hearing, window = ears
    profile = arena.model_copy(update={"look": Look(speed=1000)})
    with GuardedInjector(desktop, window, profile, armed=True) as injector:
        assert injector.turn(3, -2)
        probe("another program", 200, 200, 400, 300).find(desktop, arena)
        until(lambda: injector.turn(1, 1) is False)
        hearing.heard()
        assert injector.turn(5, 5) is False
        assert motion(hearing.heard()) == (0, 0)
        assert desktop.activate(window, timeout_s=5)
        until(lambda: injector.turn(4, 1))
        assert motion(hearing.heard())[0] >= 4


def test_lock_on_is_a_key_like_others(play, arena):
    keys = arena.keys | {A.LOCK_ON: "mouse_middle"}
    heard, _ = play(Plan.of(A.LOCK_ON), Plan.of(A.LOCK_ON), every_ms=150, keys=keys, press=(A.LOCK_ON,))
    assert [went for _, went in presses(heard, "button2")] == [True, False] * 2


def test_a_press_that_is_left_out_is_not_told_as_held(desktop, arena, ears):
    told: list[frozenset] = []
    profile = arena.model_copy(update={"press": (A.DODGE,)})
    plan = Plan((Step.of(A.DODGE, ms=50), Step.of(A.MOVE_LEFT, A.BLOCK, ms=50), Step.of(A.DODGE, ms=50)))
    with GuardedInjector(desktop, ears[1], profile, armed=True, limits=Limits(30, 1)) as injector:
        with Actuator(injector, on_held=lambda t_ns, held: told.append(held)) as actuator:
            ears[0].heard()
            actuator.start(plan)
            time.sleep(0.3)
        assert injector.meter.left_out == 1
    assert told == [{A.DODGE}, {A.MOVE_LEFT}, set()], "and the Arena has no key for block"
    assert [k for _, k, down in ears[0].heard() if down] == [" ", "a"]


def test_what_goes_wrong_in_the_thread_leaves_nothing_held(desktop, arena, ears, down):
    def full(t_ns: int, held) -> None:
        if A.SPRINT in held:
            raise OSError(28, "No space left on device")

    with GuardedInjector(desktop, ears[1], arena, armed=True) as injector:
        actuator = Actuator(injector, on_held=full)
        actuator.start(Plan((Step.of(A.MOVE_FORWARD, ms=50), Step.of(A.MOVE_FORWARD, A.SPRINT, ms=1000))))
        until(lambda: not actuator._thread.is_alive())
        assert down() == 0, "the policy may think for long before the loop hears of it"
        with pytest.raises(OSError):
            actuator.start(WAIT_PLAN)
        actuator.close()
