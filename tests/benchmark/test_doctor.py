"""The doctor on a real display, without one, and on a broken one."""

import json

import pytest

from benchmark import doctor
from combatvla.desktop.display import own_display

SCREEN = ["display", "window manager", "focus", "capture", "injection"]


def screen_checks() -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.check_screen()}


def test_on_a_real_display_every_part_of_the_screen_is_tried_and_works():
    with own_display():
        found = screen_checks()
    assert list(found) == SCREEN
    assert {c.name: c.status for c in found.values()} == dict.fromkeys(SCREEN, "ok")
    assert "ms" in found["capture"].detail and "a key arrives" in found["injection"].detail


def test_without_a_display_it_starts_its_own(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    found = screen_checks()
    assert "our own" in found["display"].detail
    assert all(check.status == "ok" for check in found.values())


def test_without_a_display_and_without_xvfb_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = screen_checks()
    assert found["display"].status == "missing" and "apt-get install" in found["display"].mend
    assert {found[name].status for name in SCREEN[1:]} == {"not tried"}


def test_a_display_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    found = screen_checks()
    assert found["display"].status == "failed" and ":987" in found["display"].detail
    assert {found[name].status for name in SCREEN[1:]} == {"not tried"}


def test_a_part_that_raises_becomes_a_finding():
    def broken():
        raise RuntimeError("no such thing")

    assert doctor.tried("model", broken) == doctor.Check(
        "model", "failed", "RuntimeError: no such thing", "make clean setup"
    )


@pytest.mark.parametrize(("policy", "code"), [("tiny", 0), ("/nowhere/at/all", 1)])
def test_the_whole_command(policy, code, capsys):
    with own_display():
        assert doctor.main(["--policy", policy, "--json"]) == code
    out = capsys.readouterr().out
    record = json.loads(out.strip().splitlines()[-1])
    assert record["ok"] is (code == 0)
    by_name = {check["name"]: check for check in record["checks"]}
    assert set(by_name) >= {"python", "packages", "disk", "video", "arena", *SCREEN, "model", "gpu", "vllm", "ray"}
    assert by_name["model"]["status"] == ("ok" if code == 0 else "failed")
    assert by_name["packages"]["status"] == "ok", by_name["packages"]
