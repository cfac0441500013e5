"""`tracker view` in a real browser: headless Chromium, driven as a person would, by keys and mouse."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from combatvla import cli
from tests.helpers import until
from tests.tracker.episodes import FILM_MS, write_episode
from tests.tracker.lists import at, press, write_lists
from tests.tracker.numbered import BITS, FIRST, PRESSES, SECOND, write_numbered
from tracker.rows import ExplanationRow, MarkRow, line
from tracker.session import Session
from tracker.view.episode import EpisodeSource
from tracker.view.page import SessionSource
from tracker.view.server import ViewServer
from tracker.view.show import Source

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[dev]'")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,720"),
)
DRAW = """
    const video = document.querySelector("#picture video.on");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0);
"""
NUMBER = """
    const [width, height, bits] = arguments;
    let number = 0;
    for (let bit = 0; bit < bits; bit++) {
      const [red, green, blue] = context.getImageData((bit + 0.5) * width / bits, height / 2, 1, 1).data;
      if (red + green + blue > 375) number |= 1 << bit;
    }
    return number;
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """One browser for all tests here."""
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in paths:
        pytest.skip("chromium and chromedriver are not installed: scripts/setup.sh browser")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(paths[1]))
    driver.set_script_timeout(20)
    yield driver
    driver.quit()


class Page:
    """The viewer's page, used by keys and mouse, read by what is on it."""

    def __init__(self, driver, server: ViewServer) -> None:
        self.driver, self.server = driver, server

    def open(self, path: str = "0/") -> None:
        self.driver.get("about:blank")
        self.driver.get(self.server.url + path)
        until(lambda: self.js("return ['ready', 'broken'].some((name) => document.body.classList.contains(name))"))

    def js(self, code: str, *given):
        return self.driver.execute_script(code, *given)

    def find(self, selector: str):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def type(self, *keys: str) -> None:
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def drawn(self) -> tuple[int, int]:
        """The video and the frame that the browser shows, once it shows what the page is at."""
        until(lambda: self.js("return view.player.drawn === `${view.player.video}:${view.player.frame}`"))
        return tuple(self.js("return [view.player.video, view.player.frame]"))

    def seek(self, ms: float) -> tuple[int, int]:
        self.driver.execute_async_script("view.seek(arguments[0]).then(arguments[1])", ms)
        return self.drawn()

    def pixels(self) -> np.ndarray:
        """What the video shows now, `uint8[H, W, 3]` RGB."""
        png = base64.b64decode(self.js(DRAW + "return canvas.toDataURL().split(',')[1]"))
        return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]

    def number(self) -> int:
        """The number that a picture of `numbered` shows."""
        return self.js(DRAW + NUMBER, *(FIRST, SECOND)[self.drawn()[0]], BITS)

    def comes_to(self, number: int) -> None:
        """Waits until the page of `numbered` is at that picture, and sees that it is shown."""
        until(lambda: self.js("return view.player.frame + 90 * view.player.video") == number)
        assert self.number() == number

    def lit(self) -> set[str]:
        return set(
            self.js("return [...document.querySelectorAll('#keys .lit[data-key]')].map((cap) => cap.dataset.key)")
        )

    def settle(self) -> None:
        """Until what was changed is drawn."""
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


@pytest.fixture
def view(chromium) -> Iterator[Callable[..., Page]]:
    """Opens sessions in the browser; fails when the page has said anything on its console."""
    servers: list[ViewServer] = []

    def show(*folders: Path, path: str = "0/", source: type[Source] = SessionSource) -> Page:
        servers.append(ViewServer([source(folder) for folder in folders]))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.02}).start()
        page = Page(chromium, servers[-1])
        page.open(path)
        return page

    chromium.get_log("browser")
    yield show
    said = [entry["message"] for entry in chromium.get_log("browser")]
    chromium.get("about:blank")
    for server in servers:
        server.shutdown()
        server.server_close()
    assert said == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, list[float]]:
    folder = tmp_path_factory.mktemp("numbered") / "s"
    return folder, write_numbered(folder)


@pytest.fixture
def numbered(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole[0], tmp_path / "s"))


def test_it_shows_the_picture_that_was_on_at_that_time(view, whole):
    folder, taken = whole
    page = view(folder)
    assert page.text("#title") == "s" and "<b>numbers</b>" in page.text("#about"), "names are never taken for HTML"
    for number in (0, 31, 44, 45, 89, 90, 149, 3):
        for late in (0, 20):
            page.seek(taken[number] + late)
            assert page.number() == number
    page.seek((taken[44] + taken[45]) / 2)
    assert page.number() == 44, "in a gap the last picture before it"
    page.type(Keys.END)
    page.comes_to(149)
    page.type(Keys.HOME)
    page.comes_to(0)


def test_it_steps_by_frames_and_lights_what_is_held(view, whole):
    """Each picture in turn, across the pause and into the second video; a tap between two pictures is lit on the
    first."""
    folder, taken = whole
    page = view(folder)
    ends = [min(after, t + 100) for t, after in zip(taken, [*taken[1:], taken[-1] + 34], strict=True)]
    page.seek(0)
    for number in [*range(1, 48), *range(86, 94)]:
        if number == 86:
            page.seek(taken[85])
        page.type(Keys.ARROW_RIGHT)
        page.comes_to(number)
        page.settle()
        t, end = taken[number], ends[number]
        held = {key for key, spans in PRESSES.items() if any(a < end and b > t for a, b in spans)}
        assert page.lit() == held, f"picture {number}"
    for number in (92, 91, 90, 89, 88):
        page.type(Keys.ARROW_LEFT)
        page.comes_to(number)


def test_a_recorded_fight_is_shown_as_it_was_recorded(view, recorded_fight):
    session = Session(recorded_fight)
    pictures = [(row, pixels.astype(int)) for row, pixels in session.pictures()]
    changes = [np.abs(b - a).mean() for (_, a), (_, b) in pairwise(pictures)]
    most = int(np.argmax(changes[1:-1])) + 1  # here neighbours are told apart best
    page = view(recorded_fight)
    for index in (0, most, most + 1, len(pictures) - 1):
        row, pixels = pictures[index]
        page.seek((row.t_ns - int(session.frames.t_ns[0])) / 1e6)
        shown = page.pixels().astype(int)
        assert shown.shape == pixels.shape
        assert np.abs(shown - pixels).mean() < 2.5, "colours differ by rounding only"
        if index in (most, most + 1):
            apart = [np.abs(shown - pictures[other][1]).mean() for other in (most, most + 1)]
            assert apart[index - most] < 0.5 * apart[most + 1 - index], "it is that picture and not its neighbour"
    lanes = page.js("return view.lanes.map((lane) => [lane.name, lane.key])")
    assert ["light attack", "mouse_left"] in lanes and ["dodge", "space"] in lanes


def test_it_plays_over_gaps_and_from_video_to_video(view, whole):
    folder, taken = whole
    page = view(folder)
    Select(page.find("#speed")).select_by_value("2")
    page.js("window.seen = []; view.player.addEventListener('picture', () => seen.push(view.player.t))")
    page.find("#play").click()
    until(lambda: page.js("return !document.querySelector('#gap-told').hidden"))
    assert "nobody played" in page.text("#gap-told")
    until(lambda: not page.js("return view.player.playing"), 20)
    assert page.drawn() == (1, 59)
    seen = page.js("return seen")
    assert seen == sorted(seen) and set(seen) <= set(taken) and len(set(seen)) > 40
    assert all(any(low <= t <= high for t in seen) for low, high in ((0, taken[44]), (taken[45], taken[89])))
    page.type(" ")
    until(lambda: page.js("return view.player.playing && view.player.t < 1500"))  # from its beginning again
    page.type(" ")
    assert not page.js("return view.player.playing")
    assert page.number() == page.js("return view.player.frame"), "it stops on the very picture it tells of"


def test_it_jumps_by_event(view, numbered, whole):
    taken = whole[1]
    steps = ("the blow lands &amp; I roll",)
    row = ExplanationRow(t_ns=at(95), frame=30, plan="<dodge><t200>", steps=steps, by="truth")
    (numbered / "explanations.jsonl").write_bytes(line(row))
    page = view(numbered)

    def jumps(key: str, number: int) -> None:
        page.type(key)
        page.comes_to(number)

    of = lambda ms: max(i for i, t in enumerate(taken) if t <= ms)  # noqa: E731
    Select(page.find("#what")).select_by_visible_text("move forward (2)")
    page.js("document.activeElement.blur()")
    jumps("n", of(100))
    jumps("n", of(2100))
    jumps("n", of(2100))  # it was the last one
    jumps("p", of(100))
    assert [row.text for row in page.driver.find_elements(By.CSS_SELECTOR, "#events .row-of-list .text")] == [
        "move forward (W)"
    ] * 2
    jumps("m", of(700))
    jumps("m", of(7000))
    jumps("M", of(700))
    jumps("t", 30)
    page.type("1")
    until(lambda: "the blow lands &amp; I roll" in page.text("#thought"))
    assert "dodge" in page.text("#thought")
    jumps("g", 45)
    page.type("2")
    Select(page.find("#what")).select_by_index(0)
    page.find("#search").send_keys("dodge")
    page.settle()
    rows = page.driver.find_elements(By.CSS_SELECTOR, "#events .row-of-list")
    assert [row.find_element(By.CSS_SELECTOR, ".text").text for row in rows] == ["dodge (space)"]
    rows[0].click()
    until(lambda: page.js("return view.player.frame") == of(1005))
    page.find("#search").send_keys("x")
    page.settle()
    assert page.text("#events .list") == "There are none."


def test_without_explanations_it_says_how_to_make_them(view, whole):
    page = view(whole[0])
    assert f"combatvla tracker explain {whole[0]} --by hud" in page.text("#notes")


def test_a_flagged_span_is_left_out_by_export(view, fight, tmp_path, capsys):
    def export(name: str) -> dict:
        assert cli.run(["tracker", "export", str(fight), "--out", str(tmp_path / name), "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    before = export("before")
    page = view(fight)
    session = Session(fight)
    first = int(session.frames.t_ns[0])
    times = session.frames.t_ns.tolist()
    begin, end = times[20], times[-20]
    page.seek((begin - first) / 1e6)
    page.type("f")
    assert page.text("#flag") == "End bad span"
    page.seek((end - first) / 1e6)
    page.type("f")
    page.type("not me <i>", Keys.ENTER)
    until(lambda: session.flags())
    (flag,) = session.flags()
    assert (flag.begin_ns, flag.end_ns, flag.why) == (begin, end, "not me <i>"), "from picture to picture, exactly"
    page.type("3")
    until(lambda: "not me <i>" in page.text("#flags"))
    assert page.text("#flag-told") == "flagged: not me <i>"
    after = export("after")
    assert after["left_out"]["flagged"] > 0.7 * before["samples"] and after["samples"] < 0.3 * before["samples"]
    page.type("u")
    until(lambda: session.flags() == [])
    until(lambda: "Nothing is flagged" in page.text("#flags"))
    assert export("again")["samples"] == before["samples"]


def test_a_span_is_flagged_by_mouse(view, numbered):
    page = view(numbered)
    timeline = page.find("#timeline")
    left, y = -timeline.size["width"] // 2, 0
    gutter = int(page.js("return view.timeline.gutter"))
    drag = ActionChains(page.driver, duration=20)
    drag.key_down(Keys.SHIFT).move_to_element_with_offset(timeline, left + gutter + 100, y).click_and_hold()
    drag.move_by_offset(200, 0).release().key_up(Keys.SHIFT).perform()
    wanted = page.js("return [100, 300].map((x) => view.timeline.timeAt(view.timeline.gutter + x))")
    page.find("#whys button").click()
    until(lambda: Session(numbered).flags())
    (flag,) = Session(numbered).flags()
    assert flag.why == "menu"
    assert np.allclose([(flag.begin_ns - at(0)) / 1e6, (flag.end_ns - at(0)) / 1e6], wanted, atol=30)
    page.open()
    page.type("3")
    page.find("#flags .undo").click()
    until(lambda: Session(numbered).flags() == [])
    page.seek(0)
    page.type("f", Keys.ESCAPE)
    assert page.text("#flag") == "Flag bad span"


def test_the_timeline_is_zoomed_moved_and_clicked(view, whole):
    page = view(whole[0])
    timeline = page.find("#timeline")
    place = ("arguments[0].getBoundingClientRect()", timeline)
    whole_view = page.js("return view.timeline.view")
    page.driver.execute_cdp_cmd(
        "Input.dispatchMouseEvent",
        {
            "type": "mouseWheel",
            "x": 640,
            "y": page.js(f"return {place[0]}.top + 60", place[1]),
            "deltaX": 0,
            "deltaY": -600,
        },
    )
    until(lambda: page.js("return view.timeline.view[1] - view.timeline.view[0]") < whole_view[1] / 2)
    before = page.js("return view.timeline.view")
    ActionChains(page.driver, duration=20).drag_and_drop_by_offset(timeline, 100, 0).perform()
    after = page.js("return view.timeline.view")
    assert after[0] < before[0] and np.isclose(after[1] - after[0], before[1] - before[0])
    page.type("0")
    assert page.js("return view.timeline.view") == whole_view
    ActionChains(page.driver, duration=20).move_to_element_with_offset(timeline, 250, 0).click().perform()
    wanted = page.js(f"return view.timeline.timeAt({place[0]}.width / 2 + 250)", place[1])
    until(lambda: 0 <= wanted - page.js("return view.player.t") <= 40)
    page.type("?")
    assert page.js("return document.querySelector('#help').open") and "frame back or forward" in page.text("#help")
    page.type(Keys.ESCAPE)
    assert not page.js("return document.querySelector('#help').open")


def test_hours_are_drawn_with_few_strokes(view, tmp_path, chromium):
    """An hour with 36,000 presses: what is drawn depends on the width of the page alone. (There is no video.)"""
    events = [event for i in range(36_000) for event in press("wad1"[i % 4], i * 100, i * 100 + 60)]
    marks = [MarkRow(t_ns=at(i * 1000)) for i in range(3600)]
    write_lists(tmp_path / "s", range(0, 3_600_000, 1000), [*events, *marks], fps=1)
    page = view(tmp_path / "s")
    count = """
        const done = arguments[0];
        const drawn = CanvasRenderingContext2D.prototype;
        let strokes = 0;
        for (const name of ["fillRect", "fill", "stroke", "fillText"]) {
          const plain = drawn[name];
          drawn[name] = function (...given) { strokes++; return plain.apply(this, given); };
        }
        view.timeline.redraw();
        requestAnimationFrame(() => requestAnimationFrame(() => done(strokes)));
    """
    assert 100 < chromium.execute_async_script(count) < 12_000
    assert page.js("return document.querySelectorAll('.row-of-list').length") < 60
    assert "cannot be read" in page.text("#veil"), "the missing video is named on the page"
    refused = [entry for entry in chromium.get_log("browser") if "frames/0" not in entry["message"]]
    assert refused == []


def test_a_torn_end_is_said_at_the_top_of_the_page(view, whole, numbered):
    """As soon as that video is shown, once, and the rest is shown."""
    video = numbered / "video-00001.mkv"
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    page = view(numbered)
    page.seek(0)
    assert page.text("#problems") == "" and page.number() == 0
    page.seek(whole[1][90])
    there = page.js("return view.player._frames.get(1).times.length")
    assert 0 < there < 60
    says = f"Video 2 of 2 lacks {60 - there} of its 60 pictures: recording was cut off, or it is damaged."
    assert page.text("#problems") == says and page.number() == 90
    page.type(Keys.HOME, Keys.END)
    page.comes_to(90 + there - 1)
    assert page.text("#problems") == says


def test_a_list_with_a_damaged_line_is_named_in_place_of_the_page(view, numbered, chromium):
    events = numbered / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    events.write_bytes(b"".join([*lines[:3], b"rubbish\n", *lines[3:]]))
    page = view(numbered)
    assert "events.jsonl is damaged at line 4" in page.text("#problems")
    chromium.get_log("browser")  # it is said there as well
    assert cli.run(["tracker", "check", str(numbered), "--mend"]) == 0
    page.open()
    assert page.text("#problems") == "" and page.text("#title") == "s"


def test_several_sessions_and_a_broken_one(view, whole, tmp_path, chromium):
    broken = Path(shutil.copytree(whole[0], tmp_path / "broken"))
    (broken / "session.json").write_text("{")
    page = view(whole[0], broken, path="")
    assert "cannot be read" in page.text("div.card") and "6 presses" in page.text("a.card")
    page.find("a.card").click()
    until(lambda: page.js("return document.body.classList.contains('ready')"))
    assert page.text("#title") == "s"
    page.find("#back").click()
    until(lambda: page.driver.find_elements(By.CSS_SELECTOR, "a.card"))
    page.open("1/")
    assert "cannot be read" in page.text("#problems")
    refused = [entry["message"] for entry in chromium.get_log("browser")]
    assert refused and all("show.json" in message or "cannot be read" in message for message in refused)


# -- episodes of the agent ---------------------------------------------------------------------------------------------


def test_an_episode_is_stepped_through_by_decisions(view, episode):
    page = view(episode, source=EpisodeSource)
    assert page.text("#tab-notes").split() == ["Decisions", "5"] and page.text("#tab-events").startswith("Events")
    assert not page.find("#flag").is_displayed() and not page.find("#tab-flags").is_displayed()
    assert page.seek(FILM_MS + 1000) == (0, 15) and page.js(DRAW + NUMBER, *FIRST, BITS) == 15
    seen = []
    page.seek(0)
    for _ in range(4):
        page.type("t")
        page.drawn()
        page.settle()
        seen.append((page.js("return view.player.frame"), page.text("#thought .what"), page.lit()))
    # A decision belongs to the picture that it saw; the keys of the plan before it are down then.
    assert [(frame, what) for frame, what, _ in seen] == [
        *((6, "move left + dodge 100 ms"), (12, "wait 100 ms"), (19, "wait 100 ms"), (42, "heal 100 ms")),
    ]
    page.seek(FILM_MS + 470)
    page.settle()
    assert page.lit() == {"a", "space"}
    assert "the <b>slam</b> lands now" in page.text("#thought") and "tokens" in page.text("#thought")
    bar = page.js("return [...document.querySelectorAll('#thought .stages i')].map((part) => part.title)")
    assert bar == ["capture 1.0 ms", "wait 0.5 ms", "vision 20.0 ms", "decode 10.0 ms", "act 6.5 ms"]


def test_an_episode_tells_who_played_and_what_was_no_plan(view, episode):
    page = view(episode, source=EpisodeSource)
    for ms, told in ((1000, ""), (1800, "a person played"), (2300, "another window had the focus"), (2700, "")):
        page.seek(ms)
        page.settle()
        shown = page.find("#span-told")
        assert told in shown.text if told else not shown.is_displayed()
    page.seek(1500)
    page.settle()
    assert "became a wait" in page.text("#thought")
    choices = [option.text for option in Select(page.find("#what")).options]
    assert "decisions (5)" in choices and "no plan (1)" in choices and not any("mark" in c for c in choices)
    page.find("#help-button").click()
    assert "decision" in page.text("#help") and "flag" not in page.text("#help")


def test_without_a_film_one_goes_from_decision_to_decision(view, tmp_path):
    page = view(write_episode(tmp_path / "e", film=False), source=EpisodeSource)
    assert "no picture" in page.text("#problems")
    page.type("tttt")
    page.settle()
    assert page.js("return view.player.t") == 1500 and "became a wait" in page.text("#thought")


def test_episodes_are_listed(view, tmp_path):
    folders = [write_episode(tmp_path / name) for name in ("a", "b")]
    page = view(*folders, path="", source=EpisodeSource)
    until(lambda: page.js("return document.querySelectorAll('.card').length") == 2)
    assert "5 decisions" in page.text(".card") and "flags" not in page.text(".card")
