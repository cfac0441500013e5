"""A LeRobot dataset: its pictures and inputs are those of the session, at even times, without what was flagged."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from combatvla.errors import UserError
from tests.tracker.play import MS, START, play
from tracker.append import Appender
from tracker.export.command import main as export
from tracker.export.lerobot import VIDEO
from tracker.rows import FLAGS, FlagRow, FocusRow
from tracker.session import Session


def run(capsys, *argv: str) -> dict:
    assert export([*argv, "--to", "lerobot", "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def rows_of(out: Path) -> list[dict]:
    return [row for path in sorted((out / "data").rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def episodes_of(out: Path) -> list[dict]:
    return pq.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()


def pictures_of(out: Path, episode: dict) -> list[np.ndarray]:
    """The episode's pictures, by their times in its video."""
    info = json.loads((out / "meta/info.json").read_text())
    place = {k: episode[f"videos/{VIDEO}/{k}"] for k in ("chunk_index", "file_index")}
    with av.open(str(out / info["video_path"].format(video_key=VIDEO, **place))) as container:
        at = {
            round(float(f.time) * info["fps"], 3): cv2.cvtColor(f.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
            for f in container.decode(video=0)
        }
    first = round(episode[f"videos/{VIDEO}/from_timestamp"] * info["fps"], 3)
    return [at[first + i] for i in range(episode["length"])]


def check_against(session: Session, out: Path) -> None:
    """Each row has its picture, its time, and the inputs from then on."""
    seen = {row.t_ns: pixels for row, pixels in session.pictures()}
    rows, fps = rows_of(out), session.info.fps
    assert [row["index"] for row in rows] == list(range(len(rows)))
    for number, episode in enumerate(episodes_of(out)):
        own = rows[episode["dataset_from_index"] : episode["dataset_to_index"]]
        assert {row["episode_index"] for row in own} == {number} == {episode["episode_index"]}
        assert [row["frame_index"] for row in own] == list(range(episode["length"]))
        assert [row["next.done"] for row in own] == [False] * (len(own) - 1) + [True]
        for row, pixels in zip(own, pictures_of(out, episode), strict=True):
            assert (pixels == seen[row["t_ns"]]).all()
            assert row["timestamp"] == pytest.approx(row["frame_index"] / fps, abs=1e-5)
            assert abs(row["t_ns"] - own[0]["t_ns"] - row["frame_index"] * 1e9 / fps) <= 50 * MS


def test_an_episode_is_what_was_recorded(tmp_path, capsys):
    session = play(tmp_path / "s", 3)
    out = tmp_path / "d"
    figures = run(capsys, str(tmp_path / "s"), "--out", str(out), "--jobs", "2")
    assert figures["frames"] == len(session.frames) == 90 and figures["episodes"] == 1
    check_against(session, out)
    features = json.loads((out / "meta/info.json").read_text())["features"]
    rows = rows_of(out)
    state, action = (features[name]["names"] for name in ("observation.state", "action"))
    assert action == [*state, "mouse_dx", "mouse_dy"]
    for key, name, begin, end in (
        ("w", "move_forward", 300, 900),
        ("mouse_left", "light_attack", 1500, 1600),
        ("space", "dodge", 1203, 1208),
    ):
        times = [(row["t_ns"] - START) / MS for row in rows]
        for i, row in enumerate(rows[:-1]):
            assert row["observation.state"][state.index(name)] == (begin <= times[i] < end), (key, times[i])
            assert row["action"][action.index(name)] == (begin < times[i + 1] and end > times[i]), (key, times[i])
        assert sum(row["action"][action.index(name)] for row in rows), "a tap between two pictures counts"
    assert sum(row["action"][-2] for row in rows) == 180 and sum(row["action"][-1] for row in rows) == -90
    stats = json.loads((out / "meta/stats.json").read_text())
    found = np.array([row["action"] for row in rows])
    assert np.allclose(stats["action"]["mean"], found.mean(0)) and np.allclose(stats["action"]["std"], found.std(0))
    assert np.shape(stats[VIDEO]["mean"]) == (3, 1, 1) and 0.3 < np.mean(stats[VIDEO]["mean"]) < 0.7


@pytest.mark.parametrize("size", [(320, 180), (321, 181)])
def test_episodes_end_where_pictures_are_missing_and_with_the_video(tmp_path, capsys, size):
    session = play(tmp_path / "s", 5, size=size, segment_s=4, skip=(20, *range(60, 64), 100, 101))
    out = tmp_path / "d"
    run(capsys, str(tmp_path / "s"), "--out", str(out), "--jobs", "1")
    # One picture missing is 33 ms; the second time it would be 66, and more in a row are too many at once.
    assert [e["length"] for e in episodes_of(out)] == [59, 36, 18, 30]
    if size == (320, 180):
        check_against(session, out)


def test_nothing_that_was_flagged_is_copied(tmp_path, capsys):
    session = play(tmp_path / "s", 9)  # a keyframe every two seconds
    begin, end = START + 2500 * MS, START + 3000 * MS
    with Appender(session.folder / "flags.jsonl", FLAGS) as file:
        file.add(FlagRow(begin_ns=begin, end_ns=end))
    out = tmp_path / "d"
    figures = run(capsys, str(tmp_path / "s"), "--out", str(out), "--jobs", "1")
    check_against(session, out)
    assert figures["dropped"] == {"flagged": 16, "behind a flagged span": 29}
    assert [e["length"] for e in episodes_of(out)] == [75, 150]
    with av.open(str(next(out.rglob("*.mp4")))) as container:
        copied = [cv2.cvtColor(f.to_ndarray(), cv2.COLOR_YUV2RGB_I420) for f in container.decode(video=0)]
    flagged = [pixels for row, pixels in session.pictures() if begin <= row.t_ns <= end]
    assert len(flagged) == 16 and len(copied) == 225
    assert not any((a == b).all() for a in flagged for b in copied)


def test_an_episode_ends_with_the_focus(tmp_path, capsys):
    session = play(tmp_path / "s", 4)
    from tracker.rows import line

    with open(session.folder / "events.jsonl", "ab") as file:
        file.write(line(FocusRow(t_ns=START + 2005 * MS, focused=False)))
        file.write(line(FocusRow(t_ns=START + 2010 * MS, focused=True)))
    run(capsys, str(tmp_path / "s"), "--out", str(tmp_path / "d"))
    assert [e["length"] for e in episodes_of(tmp_path / "d")] == [61, 59]


def test_a_torn_recording_and_one_of_another_size(tmp_path, capsys):
    play(tmp_path / "a", 3)
    session = play(tmp_path / "b", 3, size=(640, 360))
    video = tmp_path / "a/video-00000.mkv"
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    out = tmp_path / "d"
    argv = [str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out), "--validation-share", "0", "--jobs", "1"]
    figures = run(capsys, *argv)
    assert figures["dropped"]["not 320x180 at 30 fps"] == len(session.frames) and set(figures["without"]) == {
        str(tmp_path / "b")
    }
    assert 30 < figures["frames"] < 90 and figures["dropped"]["no picture"] == 90 - figures["frames"]
    check_against(Session(tmp_path / "a"), out)


def test_splits_are_spans_of_episodes(tmp_path, capsys):
    for i in range(4):
        play(tmp_path / f"fight-{i}", 2)
    out = tmp_path / "d"
    sessions = [str(tmp_path / f"fight-{i}") for i in range(4)]
    figures = run(capsys, *sessions, "--out", str(out), "--validation-share", "0.5")
    splits = json.loads((out / "meta/info.json").read_text())["splits"]
    train = figures["splits"]["train"]["sessions"]
    assert splits == {"train": f"0:{train}", "validation": f"{train}:4"}
    assert "observation" in (out / "data/chunk-000/file-000.parquet").read_bytes().decode("latin-1")


def test_what_cannot_be_written_is_told(tmp_path, small_disk):
    play(tmp_path / "s", 8)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(UserError, match="is not empty"):
        export([str(tmp_path / "s"), "--to", "lerobot", "--out", str(tmp_path / "full")])
    with pytest.raises(UserError, match="cannot write the dataset .*No space left"):
        export([str(tmp_path / "s"), "--to", "lerobot", "--out", str(small_disk / "d"), "--jobs", "1"])
    assert not (small_disk / "d/meta/info.json").exists() and not list(small_disk.rglob("*.part"))
    (tmp_path / "s/video-00000.mkv").write_bytes(b"no video")
    with pytest.raises(UserError, match="has no episode for this dataset"):
        export([str(tmp_path / "s"), "--to", "lerobot", "--out", str(tmp_path / "d"), "--jobs", "1"])
    assert not (tmp_path / "d").exists()


READ = """
import json, logging, sys, warnings
import torch
if torch.version.cuda is None:
    # torchvision from PyPI is built for CUDA: what it lacks beside a torch without it is declared, and not used.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torchvision.io
warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="torchvision")  # it says that its video reader will go away
heard = []
class Ear(logging.Handler):
    def emit(self, record):
        heard.append(record.getMessage())
logging.getLogger().addHandler(Ear(logging.WARNING))
from lerobot.datasets.lerobot_dataset import LeRobotDataset
import numpy as np
data = LeRobotDataset("combatvla/test", root=sys.argv[1], video_backend="pyav")
items = [data[i] for i in range(len(data))]
two = LeRobotDataset("combatvla/test", root=sys.argv[1], video_backend="pyav", episodes=[1],
    delta_timestamps={"action": [0, 1 / data.fps], "observation.images.screen": [-1 / data.fps, 0]})
assert two[3]["action"].shape == (2, len(data.meta.names["action"])), two[3]["action"].shape
assert two[3]["observation.images.screen"].shape[0] == 2
np.savez(sys.argv[2], t_ns=[i["t_ns"].item() for i in items], action=[i["action"].numpy() for i in items],
    screen=[(i["observation.images.screen"].numpy() * 255).round().astype(np.uint8) for i in items])
assert all(i["task"] and i["observation.state"].dtype == torch.float32 for i in items)
assert not heard, heard
print(json.dumps({"frames": len(data), "episodes": data.num_episodes}))
"""


@pytest.mark.slow
def test_lerobot_loads_it_without_a_warning(tmp_path, capsys):
    """With a Python that has `lerobot`: it wants another environment than this one."""
    python = os.environ.get("COMBATVLA_LEROBOT_PYTHON")
    if not python:
        pytest.skip("COMBATVLA_LEROBOT_PYTHON names no Python with lerobot 0.4.4 (docs/dataset.md says how to get one)")
    session = play(tmp_path / "s", 5, segment_s=4, skip=tuple(range(60, 64)))
    out = tmp_path / "d"
    figures = run(capsys, str(tmp_path / "s"), "--out", str(out))
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [python, "-c", READ, str(out), str(tmp_path / "read.npz")],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {k: figures[k] for k in ("frames", "episodes")}
    read, rows = np.load(tmp_path / "read.npz"), rows_of(out)
    seen = {row.t_ns: pixels for row, pixels in session.pictures()}
    assert len(rows) == figures["frames"] == 146
    for row, t_ns, action, screen in zip(rows, read["t_ns"], read["action"], read["screen"], strict=True):
        assert row["t_ns"] == t_ns and np.array_equal(np.float32(row["action"]), action)
        # The same decoded picture is made RGB by FFmpeg there, which comes out 1.1 of 255 darker, and by OpenCV here.
        # (Two pictures of this session differ by 60.)
        away = np.abs(screen.transpose(1, 2, 0).astype(int) - seen[int(t_ns)])
        assert away.max() <= 3 and away.mean() <= 1.5
