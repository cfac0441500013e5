"""`tracker view`: what it says of a session, the videos it makes, the server and its guards, flags, the command."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import pytest

from combatvla import cli
from combatvla.errors import UserError
from tests.helpers import run_command, start_command, until
from tests.tracker.lists import MS, START, at, write_lists
from tests.tracker.numbered import PRESSES, write_numbered
from tracker.rows import ExplanationRow, FlagRow, FocusRow, MotionRow, line
from tracker.session import Session
from tracker.view import film
from tracker.view.command import find_sessions
from tracker.view.film import Films, remux
from tracker.view.motion import MotionFile
from tracker.view.page import SessionSource, show
from tracker.view.server import ViewServer
from tracker.view.show import Flag


@pytest.fixture(scope="module")
def numbered(tmp_path_factory) -> tuple[Path, list[float]]:
    """A session that is not to be written to, and when its pictures were taken (ms)."""
    folder = tmp_path_factory.mktemp("numbered") / "s"
    return folder, write_numbered(folder)


@pytest.fixture
def session(numbered, tmp_path) -> Path:
    return Path(shutil.copytree(numbered[0], tmp_path / "s"))


class Client:
    """Asks a server as a browser's page would."""

    def __init__(self, server: ViewServer) -> None:
        self.server = server
        self.host = f"127.0.0.1:{server.server_port}"

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, *, whole: bool = False, **headers: str):
        """`path` behind the secret (`whole`: all of it). Gives status, headers and body. `Host_` … as `Host` …"""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        target = path if whole else f"/{self.server.secret}/{path}"
        sent = {name.rstrip("_").replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, target, skip_host="Host" in sent)
        if body is not None:
            sent.setdefault("Content-Length", str(len(body)))
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.headers, data

    def flag(self, **what) -> tuple[int, dict]:
        body = json.dumps(what).encode()
        status, _, data = self.ask(
            "0/flags", "POST", body, Content_Type="application/json", Origin=f"http://{self.host}"
        )
        return status, json.loads(data)


@pytest.fixture
def client(session: Path) -> Iterator[Client]:
    with ViewServer([SessionSource(session)]) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Client(server)
        server.shutdown()
        thread.join()


# -- what is said of a session ---------------------------------------------------------------------------------------


def test_a_session_is_described(numbered):
    folder, taken = numbered
    page = asdict(show(Session(folder)))
    json.dumps(page, allow_nan=False)
    assert page["title"] == "s" and page["about"][:3] == ["arena", "<b>numbers</b>", "321x181"]
    assert page["duration"] == taken[-1] and page["problems"] == []
    assert [(v["begin"], v["end"], v["width"], v["height"]) for v in page["videos"]] == [
        (0, taken[89], 321, 181),
        (taken[90], taken[149], 480, 270),
    ]
    (gap,) = page["gaps"]
    assert (gap["begin"], gap["end"]) == (taken[44], taken[45]) and "nobody played" in gap["why"]
    lanes = {lane["key"]: lane for lane in page["lanes"]}
    assert list(lanes) == ["w", "space", "mouse_left", "f7", "mouse_8"], "the profile's keys in its order, then others"
    assert [lanes[key]["name"] for key in lanes] == ["move forward", "dodge", "light attack", "", ""]
    assert {key: lane["spans"] for key, lane in lanes.items()} == {
        key: [float(t) for span in spans for t in span] for key, spans in PRESSES.items()
    }
    said = [(event["kind"], event["text"]) for event in page["events"]]
    assert ("mark", "here") in said and ("mark", "mark") in said and ("scroll", "wheel 2 down") in said
    assert ("window", "window at 0, 0, 480x270") in said
    assert "tracker explain" in page["no_notes"] and page["notes"] == page["flags"] == []


def test_explanations_stand_at_their_frames(session):
    rows = [
        ExplanationRow(t_ns=at(95), frame=3, plan="<dodge><t200><then><wait><t50>", steps=("roll", "wait"), by="truth"),
        ExplanationRow(t_ns=at(10), frame=9999, plan="no plan", steps=("torn off",), by="vlm:m"),
    ]
    (session / "explanations.jsonl").write_bytes(b"".join(map(line, rows)))
    notes = asdict(show(Session(session)))["notes"]
    assert [note["t"] for note in notes] == [10, 100.5], "by time, at the picture; a lost picture leaves the decision"
    assert notes[0]["steps"] == [{"what": "no plan", "ms": 0, "why": "torn off"}]
    assert notes[1]["steps"] == [
        {"what": "dodge", "ms": 200, "why": "roll"},
        {"what": "wait", "ms": 50, "why": "wait"},
    ]


def test_a_session_without_pictures_and_with_damaged_lists_is_shown_all_the_same(tmp_path):
    events = [FocusRow(t_ns=at(0), focused=True), FocusRow(t_ns=at(900), focused=False)]
    session = write_lists(tmp_path / "s", [], events)
    page = asdict(show(session))
    assert page["videos"] == [] and page["duration"] == 900 and "No picture was recorded" in page["problems"][0]
    assert not page["can_flag"]
    for name in ("explanations", "flags"):
        (session.folder / f"{name}.jsonl").write_bytes(b"rubbish\n" * 3)
    problems = asdict(show(Session(session.folder)))["problems"]
    assert any("explanations cannot be shown" in p for p in problems) and any("flags" in p for p in problems)


def test_gaps_say_why(tmp_path):
    frames = [*range(0, 1000, 33), *range(3000, 4000, 33), *range(6000, 7000, 33)]
    lost = [FocusRow(t_ns=at(1005), focused=False), FocusRow(t_ns=at(2990), focused=True)]
    gaps = asdict(show(write_lists(tmp_path / "s", frames, lost)))["gaps"]
    assert [gap["why"] for gap in gaps] == ["the window was without the focus", "pictures are missing"]


def test_times_hold_their_nanoseconds(session):
    """A flag is set at the very picture that was shown, also ten hours in."""
    source = SessionSource(session)
    first = Session(session).frames.t_ns[0]
    for ns in (1, 123_456_789, 36_000_123_456_789):
        wanted = FlagRow(begin_ns=int(first) + ns, end_ns=int(first) + ns + 1)
        shown = json.loads(json.dumps([(wanted.begin_ns - int(first)) / 1e6, (wanted.end_ns - int(first)) / 1e6]))
        source.flag(Flag(*shown, ""), undo=False)
        assert (wanted.begin_ns, wanted.end_ns) in [(f.begin_ns, f.end_ns) for f in Session(session).flags()]


# -- videos ----------------------------------------------------------------------------------------------------------


def test_a_film_holds_the_very_packets_of_the_video(numbered, tmp_path):
    folder, _ = numbered
    times = remux(folder / "video-00000.mkv", tmp_path / "film.mp4")
    session = Session(folder)
    assert times == [row.pts for row in session.frames if row.segment == 0]
    with av.open(str(tmp_path / "film.mp4")) as made, av.open(str(folder / "video-00000.mkv")) as read:
        assert made.format.name.startswith("mov")
        pictures = [
            [(round(p.pts * p.time_base * 1000), p.to_ndarray()) for p in file.decode(video=0)] for file in (made, read)
        ]
    assert [t for t, _ in pictures[0]] == times
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(*pictures, strict=True))


@pytest.mark.parametrize("share", [0.97, 0.6, 0.2])
def test_a_torn_video_shows_what_is_there(session, share, tmp_path):
    video = session / "video-00000.mkv"
    os.truncate(video, int(video.stat().st_size * share))
    source = SessionSource(session)
    shown = np.frombuffer(source.frames(0), "<f8").reshape(-1, 2)
    readable = sum(1 for row, _ in Session(session).decoded() if row.segment == 0)
    assert 0 < readable < 90 and abs(len(shown) - readable) <= 1
    assert bytes(source.film(0)[4:8]) == b"ftyp" and len(source.frames(1)) == 60 * 16


def test_what_is_no_video_is_named(session):
    (session / "video-00000.mkv").write_bytes(b"not a video")
    (session / "video-00001.mkv").unlink()
    source = SessionSource(session)
    for video in (0, 1):
        with pytest.raises(UserError, match=f"video-0000{video}.mkv cannot be read"):
            source.film(video)
    assert source.show().videos, "the rest of the page is there"


def test_films_take_bounded_room_and_leave_nothing(numbered, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(film.tempfile, "tempdir", None)
    folder, _ = numbered
    videos = [folder / f"video-0000{i}.mkv" for i in (0, 1)]
    before = sorted(p.name for p in folder.iterdir())
    films = Films(most_bytes=1)
    first, _ = films.get(videos[0])
    whole = bytes(first)
    films.get(videos[1])
    assert len(films._made) == 1, "the older one made room"
    assert bytes(first) == whole, "whoever still sends it has it"
    assert films.get(videos[0])[0] is not first and films.get(videos[0])[0] is films.get(videos[0])[0]
    assert list(tmp_path.iterdir()) == [] and sorted(p.name for p in folder.iterdir()) == before


def test_a_full_disk_is_named(numbered, small_disk, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(small_disk))
    monkeypatch.setattr(film.tempfile, "tempdir", None)
    (small_disk / "filler").write_bytes(bytes(290_000))
    with pytest.raises(UserError, match="No space left on device.*TMPDIR"):
        Films().get(numbered[0] / "video-00000.mkv")


def test_all_sessions_share_the_room_for_films(numbered, tmp_path, monkeypatch):
    """Some hundred sessions in a list would otherwise take as much each."""
    folders = [Path(shutil.copytree(numbered[0], tmp_path / name)) for name in ("a", "b", "c")]
    served: list[ViewServer] = []
    monkeypatch.setattr(ViewServer, "serve_forever", lambda server: served.append(server))
    assert cli.run(["tracker", "view", *map(str, folders), "--no-open"]) == 0
    (server,) = served
    films = server.sources[0]._films
    size = len(server.sources[0].film(0))
    films._most = 2 * size
    for source in (*server.sources, *server.sources):
        assert source.film(0)[4:8] == b"ftyp" and len(source.frames(0)) == 90 * 16
        assert sum(len(film) for film, _ in films._made.values()) <= 2 * size
    assert {video.parent for video, _ in films._made} == {*folders[1:]}


def test_a_video_that_grew_is_made_anew(session):
    """One looks at a recording that goes on."""
    video = session / "video-00000.mkv"
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    source = SessionSource(session)
    before = len(source.frames(0))
    video.write_bytes(whole)
    source.show()
    assert before < len(source.frames(0)) == 90 * 16


# -- motion ----------------------------------------------------------------------------------------------------------


def test_motion_is_read_where_it_is_looked_at(tmp_path):
    """Over many blocks, with damaged lines, and a little out of order."""
    rows = [MotionRow(t_ns=START + i * 8 * MS, x=i, y=-i) for i in range(20_000)]
    rows[5000], rows[5004] = rows[5004], rows[5000]
    data = [line(row) for row in rows]
    data[7000] = b"\xff rubbish\n"
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(data) + b'{"t_ns": 1')
    assert path.stat().st_size > 3 * (1 << 18)
    motion = MotionFile(path)
    for begin, end in ((0, 100), (4990, 5010), (6990, 7010), (19_990, 30_000)):
        found = sorted(row.x for row in motion.between(START + begin * 8 * MS, START + end * 8 * MS))
        assert found == [i for i in range(begin, min(end, 20_000)) if i != 7000]


def test_motion_of_the_session(client):
    status, _, data = client.ask("0/motion/pointer/0")
    points = np.frombuffer(data, "<f8").reshape(-1, 3)
    assert status == 200 and points[:3].tolist() == [[0, 0, 90], [8, 1, 90], [16, 2, 90]] and len(points) == 150
    look = np.frombuffer(client.ask("0/motion/look/0")[2], "<f8").reshape(-1, 3)
    assert look[1].tolist() == [8, 1.5, -2]
    assert client.ask("0/motion/pointer/7")[2] == b"" and client.ask("0/motion/keys/0")[0] == 404


# -- the server ------------------------------------------------------------------------------------------------------


def test_it_listens_on_loopback_alone(client):
    assert client.server.server_address[0] == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", client.server.server_port), timeout=5)


def test_nothing_is_told_without_the_secret(client):
    secret = client.server.secret
    assert len(secret) >= 32
    for path in (
        "/",
        "/0/",
        "/files/view.js",
        "/0/show.json",
        f"/{secret[:-1]}/0/show.json",
        f"/{secret}x/0/",
        "//",
        "*",
    ):
        status, _, body = client.ask(path, whole=True)
        assert status == 404 and b"title" not in body and secret.encode() not in body, path
    assert client.ask("", whole=False)[0] == 303 and client.ask("0/show.json")[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "[::1]", ""])
def test_another_host_name_is_refused(client, host):
    """A page whose name leads to 127.0.0.1 (DNS rebinding) says that name here."""
    assert client.ask("0/show.json", Host=host)[0] == 421
    assert client.ask("0/show.json", Host=f"localhost:{client.server.server_port}")[0] == 200


def test_another_page_is_refused(client):
    flag = b'{"begin": 0, "end": 1}'
    good = {"Content_Type": "application/json", "Origin": f"http://{client.host}"}
    for origin in ("http://evil.example", "null", f"https://{client.host}", "http://127.0.0.1:1"):
        assert client.ask("0/flags", "POST", flag, **{**good, "Origin": origin})[0] == 403
    assert client.ask("0/flags", "POST", flag, Content_Type="application/json")[0] == 403
    assert client.ask("0/flags", "POST", flag, **good, Sec_Fetch_Site="cross-site")[0] == 403
    assert client.ask("0/show.json", Sec_Fetch_Site="same-site", Sec_Fetch_Mode="cors")[0] == 403
    assert client.ask("0/show.json", Sec_Fetch_Site="same-origin")[0] == 200
    assert client.ask("0/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200, "a click on the link"
    assert client.ask("0/show.json", "OPTIONS")[0] == 501


def test_answers_may_not_be_used_elsewhere(client):
    for path in ("0/", "0/show.json", "0/film/0.mp4", "files/view.js", "nothing"):
        _, headers, _ = client.ask(path)
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin" and headers["Cache-Control"] == "no-store"
        assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [
        "files/../server.py",
        "files/%2e%2e/server.py",
        "files//etc/passwd",
        "files/..%2fserver.py",
        "files/",
        "files",
        "../0/show.json",
        "0/film/../../session.json",
        "0/film/2.mp4",
        "0/film/-1.mp4",
        "0/film/0",
        "0/film/99999999999999999999.mp4",
        "0/frames/x",
        "0/events.jsonl",
        "0/session.json",
        "1/",
        "-1/",
        "0",
        "x/show.json",
    ],
)
def test_only_what_there_is_is_given(client, path):
    status, _, body = client.ask(path)
    assert status == 404 and json.loads(body) == {"error": "there is nothing here"}


@pytest.mark.parametrize(
    ("asked", "status", "begin", "end"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, None),
        ("bytes=-7", 206, -7, None),
        ("bytes=0-99999999999", 206, 0, None),
        ("bytes=-99999999999", 206, 0, None),
        ("bytes=5-5", 206, 5, 6),
        ("bytes=0-1,5-6", 200, 0, None),
        ("bytes=-", 200, 0, None),
        ("lines=0-9", 200, 0, None),
        ("bytes=9999999999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-3", 416, 0, 0),
    ],
)
def test_ranges(client, asked, status, begin, end):
    whole = client.ask("0/film/0.mp4")[2]
    got, headers, body = client.ask("0/film/0.mp4", Range=asked)
    assert (got, body) == (status, whole[begin:end])
    assert headers["Content-Type"] == "video/mp4" and headers["Accept-Ranges" if got == 200 else "Content-Range"]
    if got == 206:
        first = begin % len(whole)
        assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"
    got, headers, body = client.ask("0/film/0.mp4", "HEAD", Range=asked)
    assert (got, body) == (status, b"")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"begin": 1}', {}, 400),
        (b'{"begin": 2, "end": 1}', {}, 400),
        (b'{"begin": "0", "end": 1}', {}, 400),
        (b'{"begin": NaN, "end": 1}', {}, 400),
        (b'{"begin": 0, "end": 1e400}', {}, 400),
        (b'{"begin": 0, "end": 1e13}', {}, 400),
        (b'{"begin": -1e11, "end": 1}', {}, 409),
        (b'{"begin": 0, "end": 1, "path": "/etc/passwd"}', {}, 400),
        (b'{"begin": 0, "end": 1, "why": "\\ud800"}', {}, 400),
        (b'{"begin": 0, "end": 1, "why": "%s"}' % (b"x" * 301), {}, 400),
        (b'{"begin": 0, "end": 1, "why": "%s"}' % (b"x" * 5000), {}, 413),
        (b'{"begin": 0, "end": 1}', {"Content_Type": "text/plain"}, 415),
        (b'{"begin": 0, "end": 1}', {"Content_Length": "-1"}, 411),
        (b'{"begin": 0, "end": 1}', {"Content_Length": "x"}, 411),
        (b"[" * 4000, {}, 400),
        (b"\xff\xfe", {}, 400),
    ],
)
def test_bad_bodies_change_nothing(client, session, body, headers, status):
    headers = {"Content_Type": "application/json", "Origin": f"http://{client.host}", **headers}
    got, _, answer = client.ask("0/flags", "POST", body, **headers)
    assert got == status and json.loads(answer)["error"]
    assert not (session / "flags.jsonl").exists()


def test_flags_are_kept_and_taken_back(client, session):
    assert client.flag(begin=100.5, end=200, why="menu \u2028 <b>") == (
        200,
        {"flags": [{"begin": 100.5, "end": 200, "why": "menu \u2028 <b>"}]},
    )
    assert client.flag(begin=0, end=0)[0] == 200
    flags = Session(session).flags()
    assert [(f.begin_ns, f.end_ns) for f in flags] == [(START, START), (at(100.5), at(200))]
    assert client.flag(begin=100.5, end=200, undo=True)[1]["flags"] == [{"begin": 0, "end": 0, "why": ""}]
    assert client.flag(begin=100.5, end=200, why="after all")[1]["flags"][1]["why"] == "after all"
    assert len((session / "flags.jsonl").read_bytes().splitlines()) == 4, "the list only grows"
    page = json.loads(client.ask("0/show.json")[2])
    assert [f["why"] for f in page["flags"]] == ["", "after all"]


def test_a_torn_flag_is_mended_and_a_damaged_list_left_alone(client, session):
    path = session / "flags.jsonl"
    path.write_bytes(line(FlagRow(begin_ns=START, end_ns=START)) + b'{"begin_ns": 1')
    assert client.flag(begin=1, end=2)[0] == 200 and len(Session(session).flags()) == 2
    path.write_bytes(b"rubbish\n" * 3)
    status, says = client.flag(begin=1, end=2)
    assert status == 409 and "damaged" in says["error"] and path.read_bytes() == b"rubbish\n" * 3


def test_a_session_damaged_while_it_is_shown_is_named(client, session):
    (session / "session.json").write_text("{")
    status, _, body = client.ask("0/show.json")
    assert status == 409 and "cannot be read" in json.loads(body)["error"]


def test_a_reader_that_goes_away_is_no_fault(client, capfd):
    for _ in range(3):
        raw = socket.create_connection(("127.0.0.1", client.server.server_port))
        raw.sendall(f"GET /{client.server.secret}/0/film/0.mp4 HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode())
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.close()
    raw = socket.create_connection(("127.0.0.1", client.server.server_port))
    raw.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
    assert raw.recv(1000).startswith(b'{"error":')
    raw.close()
    assert client.ask("0/show.json")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_several_sessions_are_listed(session, tmp_path):
    shutil.copytree(session, tmp_path / "t")
    (tmp_path / "t" / "frames.jsonl").unlink()
    (tmp_path / "no session").mkdir()
    assert find_sessions([tmp_path]) == [tmp_path / "s", tmp_path / "t"]
    assert find_sessions([session, tmp_path]) == [session, tmp_path / "t"]
    with ViewServer([SessionSource(folder) for folder in find_sessions([tmp_path])]) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        client = Client(server)
        assert b"list.js" in client.ask("")[2] and json.loads(client.ask("list.json")[2]) == {"count": 2}
        card = json.loads(client.ask("0/card.json")[2])
        assert card["title"] == "s" and card["presses"] == 6 and card["error"] == ""
        assert "the session is not whole" in json.loads(client.ask("1/card.json")[2])["error"]
        assert json.loads(client.ask("0/show.json")[2])["several"] is True
        server.shutdown()


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_the_link_last_and_ends_cleanly(session, how):
    viewer = start_command("tracker", "view", str(session), "--no-open")
    viewer.stdout.readline()
    link = viewer.stdout.readline().strip()
    connection = http.client.HTTPConnection(link.split("/")[2], timeout=20)
    connection.request("GET", "/" + link.split("/", 3)[3] + "0/show.json")
    assert json.loads(connection.getresponse().read())["title"] == "s"
    viewer.send_signal(how)
    out, err = viewer.communicate(timeout=20)
    assert (viewer.returncode, out, err) == (0, "", "")


def test_the_browser_gets_a_private_file_and_not_the_secret(session, tmp_path):
    """Every user can read the command lines of all programs."""
    browser, asked = tmp_path / "browser", tmp_path / "asked"
    browser.write_text(f'#!/bin/sh\necho "$1" > {asked}.part\nmv {asked}.part {asked}\n')
    browser.chmod(0o755)
    viewer = start_command("tracker", "view", str(session), env={**os.environ, "BROWSER": str(browser)})
    viewer.stdout.readline()
    link = viewer.stdout.readline().strip()
    until(asked.exists)
    address = asked.read_text().strip()
    page = Path(address.removeprefix("file://"))
    assert link.split("/")[3] not in address and link in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600 and stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    viewer.send_signal(signal.SIGTERM)
    viewer.communicate(timeout=20)
    assert viewer.returncode == 0 and not page.exists()


FOLLOW = """
import re, sys, time, urllib.request
page = open(sys.argv[1].removeprefix("file://")).read()
print(urllib.request.urlopen(re.search('href="(.*?)"', page)[1], timeout=20).status, flush=True)
time.sleep(60)
"""


def test_a_browser_in_the_terminal_is_served_while_it_runs(session, tmp_path):
    """Python waits for such a one to end before it goes on."""
    browser, asked = tmp_path / "browser", tmp_path / "asked"
    (tmp_path / "follow.py").write_text(FOLLOW)
    browser.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "follow.py"} "$1" > {asked}\n')
    browser.chmod(0o755)
    viewer = start_command(
        "tracker", "view", str(session), env={**os.environ, "BROWSER": str(browser)}, start_new_session=True
    )
    try:
        until(lambda: asked.is_file() and asked.read_text() == "200\n", 15)
        viewer.send_signal(signal.SIGTERM)
        assert viewer.wait(20) == 0
    finally:
        os.killpg(viewer.pid, signal.SIGKILL)
        viewer.communicate()


def test_mistakes_are_named(session, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 cannot be had.*--port"):
            cli.run(["tracker", "view", str(session), "--port", str(port), "--no-open"])
    for argv, says in (
        ([], "no session given"),
        ([str(tmp_path / "nowhere")], "no session in .*nowhere"),
        ([str(session), "--port", "70000"], "--port: expected"),
    ):
        with pytest.raises(UserError, match=says):
            cli.run(["tracker", "view", *argv])
    (session / "frames.jsonl").unlink()
    done = run_command("tracker", "view", str(session), "--no-open")
    assert done.returncode == 2 and "the session is not whole" in done.stderr
