"""A LeRobotDataset v3, without the package `lerobot`: docs/dataset.md says what is in one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from combatvla.actions import Action
from tracker.export.episodes import Copied, Episode, PixelStats

VIDEO = "observation.images.screen"
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
CHUNK = 1000
"""Files in a folder, at most."""


@dataclass
class Sums:
    """Of one column, for its mean and spread."""

    count: int = 0
    total: Any = 0.0
    squares: Any = 0.0
    least: Any = np.inf
    most: Any = -np.inf

    def see(self, values: np.ndarray) -> None:
        """`[T]` or `[T, D]`"""
        values = values.reshape(len(values), -1).astype(np.float64)
        self.count += len(values)
        self.total, self.squares = self.total + values.sum(0), self.squares + (values**2).sum(0)
        self.least, self.most = np.minimum(self.least, values.min(0)), np.maximum(self.most, values.max(0))

    def told(self) -> dict[str, Any]:
        return _stats(self.count, self.total / self.count, self.squares / self.count, self.least, self.most)


def _stats(count: int, mean: np.ndarray, squares: np.ndarray, least: np.ndarray, most: np.ndarray) -> dict[str, Any]:
    spread = np.sqrt(np.maximum(0, squares - mean**2))
    columns = {"min": least, "max": most, "mean": mean, "std": spread}
    return {**{name: value.tolist() for name, value in columns.items()}, "count": [count]}


class Writer:
    """Writes a dataset into `folder`, video by video; `meta/info.json`, which makes it one, comes last. `OSError` when
    the disk is full."""

    def __init__(self, folder: Path, *, fps: int, width: int, height: int, actions: Sequence[Action]) -> None:
        self.folder, self.fps, self.width, self.height = folder, fps, width + width % 2, height + height % 2
        self.actions = [a.value for a in actions]
        self.frames = self.episodes = self.videos = 0
        self.tasks: dict[str, int] = {}
        self.held: dict[str, int] = dict.fromkeys(self.actions, 0)
        """In how many frames each action is held."""
        self._splits: dict[str, list[int]] = {}
        self._sums: dict[str, Sums] = {}
        self._pixels = PixelStats()
        self._rows: list[dict[str, Any]] = []

    def takes(self, fps: int, width: int, height: int) -> bool:
        """Whether videos of this kind may be in it: all have one size and pace."""
        return (fps, width + width % 2, height + height % 2) == (self.fps, self.width, self.height)

    def add(self, copied: Copied, video: Path, task: str, session: str, split: str) -> None:
        """The episodes of one video, which is moved to its place. Splits come one after the other."""
        chunk, number = divmod(self.videos, CHUNK)
        place = {"chunk_index": chunk, "file_index": number}
        data, screen = self._place("data", "parquet", place), self._place(f"videos/{VIDEO}", "mp4", place)
        video.rename(screen)
        index = self.tasks.setdefault(task, len(self.tasks))
        part = data.with_suffix(".part")
        with ExitStack() as stack:
            writer = stack.enter_context(pq.ParquetWriter(part, self._schema(), compression="snappy"))
            for episode in copied.episodes:
                writer.write_table(self._table(episode, index))
                self._note(episode, task, session, place)
        part.rename(data)
        self._pixels.add(copied.pixels)
        self._splits.setdefault(split, [self.episodes - len(copied.episodes), 0])[1] = self.episodes
        self.videos += 1

    def _place(self, what: str, kind: str, place: dict[str, int]) -> Path:
        path = self.folder / what / f"{FILE.format(**place)}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _features(self) -> dict[str, dict[str, Any]]:
        one = {"shape": [1], "names": None}
        names = [*self.actions, "mouse_dx", "mouse_dy"]
        video = {
            "video.height": self.height,
            "video.width": self.width,
            "video.codec": "h264",
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,
            "video.fps": self.fps,
            "video.channels": 3,
            "has_audio": False,
        }
        return {
            VIDEO: {
                "dtype": "video",
                "shape": [self.height, self.width, 3],
                "names": ["height", "width", "channels"],
                "info": video,
            },
            "observation.state": {"dtype": "float32", "shape": [len(self.actions)], "names": self.actions},
            "action": {"dtype": "float32", "shape": [len(names)], "names": names},
            "next.done": {"dtype": "bool", **one},
            "t_ns": {"dtype": "int64", **one},
            "timestamp": {"dtype": "float32", **one},
            **{n: {"dtype": "int64", **one} for n in ("frame_index", "episode_index", "index", "task_index")},
        }

    def _schema(self) -> pa.Schema:
        types = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_()}
        return pa.schema(
            [
                (name, types[f["dtype"]] if f["shape"] == [1] else pa.list_(types[f["dtype"]], f["shape"][0]))
                for name, f in self._features().items()
                if name != VIDEO
            ]
        )

    def _table(self, episode: Episode, task: int) -> pa.Table:
        length = len(episode.t_ns)
        number = np.arange(length)
        columns = {
            "observation.state": episode.state,
            "action": episode.action,
            "next.done": number == length - 1,
            "t_ns": episode.t_ns,
            "timestamp": (number / self.fps).astype(np.float32),
            "frame_index": number,
            "episode_index": np.full(length, self.episodes),
            "index": self.frames + number,
            "task_index": np.full(length, task),
        }
        for name, values in columns.items():
            self._sums.setdefault(name, Sums()).see(values)
        for i, name in enumerate(self.actions):
            self.held[name] += int(episode.action[:, i].sum())
        schema = self._schema()
        return pa.Table.from_arrays(
            [
                pa.FixedSizeListArray.from_arrays(pa.array(v.reshape(-1)), v.shape[1]) if v.ndim == 2 else pa.array(v)
                for v in (columns[name] for name in schema.names)
            ],
            schema=schema,
        )

    def _note(self, episode: Episode, task: str, session: str, place: dict[str, int]) -> None:
        length = len(episode.t_ns)
        self._rows.append(
            {
                "episode_index": self.episodes,
                "tasks": [task],
                "length": length,
                "session": session,
                **{f"data/{name}": n for name, n in place.items()},
                "dataset_from_index": self.frames,
                "dataset_to_index": self.frames + length,
                **{f"videos/{VIDEO}/{name}": n for name, n in place.items()},
                f"videos/{VIDEO}/from_timestamp": episode.from_s,
                f"videos/{VIDEO}/to_timestamp": episode.from_s + length / self.fps,
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )
        self.episodes += 1
        self.frames += length

    def close(self) -> None:
        """Writes what describes the dataset. It has at least one episode."""
        meta = self.folder / "meta"
        (meta / "episodes/chunk-000").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(self._rows), meta / "episodes/chunk-000/file-000.parquet")
        pq.write_table(_tasks(self.tasks), meta / "tasks.parquet")
        stats: dict[str, Any] = {name: sums.told() for name, sums in self._sums.items()}
        p = self._pixels
        screen = _stats(p.pictures, p.total / p.count, p.squares / p.count, p.least, p.most)
        stats[VIDEO] = {k: v if k == "count" else [[[x]] for x in v] for k, v in screen.items()}
        (meta / "stats.json").write_text(json.dumps(stats, indent=2))
        info = {
            "codebase_version": "v3.0",
            "robot_type": "keyboard_mouse",
            "total_episodes": self.episodes,
            "total_frames": self.frames,
            "total_tasks": len(self.tasks),
            "chunks_size": CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {split: f"{a}:{b}" for split, (a, b) in self._splits.items()},
            "data_path": f"data/{FILE}.parquet",
            "video_path": f"videos/{{video_key}}/{FILE}.mp4",
            "features": self._features(),
        }
        part = meta / "info.json.part"
        part.write_text(json.dumps(info, indent=2))
        part.rename(meta / "info.json")


def _tasks(tasks: dict[str, int]) -> pa.Table:
    """As pandas writes a table whose index are the tasks: what readers of the format expect."""
    index = "__index_level_0__"

    def column(name: str | None, kind: str, numpy: str, field: str) -> dict[str, Any]:
        return {"name": name, "field_name": field, "pandas_type": kind, "numpy_type": numpy, "metadata": None}

    pandas = {
        "index_columns": [index],
        "column_indexes": [{**column(None, "unicode", "object", "None"), "field_name": None}],
        "columns": [column("task_index", "int64", "int64", "task_index"), column(None, "unicode", "object", index)],
        "pandas_version": "2.0.0",
    }
    schema = pa.schema([("task_index", pa.int64()), (index, pa.string())], metadata={"pandas": json.dumps(pandas)})
    return pa.Table.from_pydict({"task_index": list(tasks.values()), index: list(tasks)}, schema=schema)
