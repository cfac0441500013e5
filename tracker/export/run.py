"""The three exports: which sessions go where, by how many processes, and what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.align import Alignment, intervals
from tracker.annotate.truth import TruthTrack
from tracker.dataset import cannot_write, new_dataset, shard_name, write_empty, write_shards
from tracker.export.card import SPLITS, splits_of
from tracker.export.chat import ChatOptions, Part, part_rows, parts
from tracker.export.episodes import Look, Piece, copy_piece, pieces
from tracker.export.lerobot import Writer
from tracker.export.pool import in_order, peak_mb
from tracker.session import Session
from tracker.several import Failures, with_profiles


@dataclass
class Source:
    """A session to export."""

    folder: Path
    profile: GameProfile
    split: str = "train"

    @property
    def name(self) -> str:
        return self.folder.resolve().name


@dataclass
class Exported:
    """What came of it."""

    counts: Alignment = field(default_factory=Alignment)
    """Of chat rows; for LeRobot `actions` counts the frames in which an action is held."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Frames that are in no episode, by reason (LeRobot)."""
    sessions: list[tuple[str, str, int]] = field(default_factory=list)
    """Each session's name, its split, and how many samples or frames it has there; without those that failed."""
    files: int = 0
    episodes: int = 0
    recorded_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    """Of memory, all processes together."""

    @property
    def times_real_time(self) -> float:
        return self.recorded_s / self.wall_s if self.wall_s else 0.0

    def splits(self) -> dict[str, dict[str, int]]:
        """How many sessions, and samples or frames, each split has."""
        return {
            split: {"sessions": len(found), "count": sum(found)}
            for split in SPLITS
            if (found := [n for _, s, n in self.sessions if s == split])
        }


def sources(folders: Sequence[Path], game: str | None, validation_share: float, failures: Failures) -> list[Source]:
    """The sessions with their profiles and splits."""
    found = [Source(*one) for one in with_profiles(folders, game, failures)]
    splits = splits_of([source.name for source in found], validation_share if len(found) > 1 else 0.0)
    for source in found:
        source.split = splits[source.name]
    return sorted(found, key=lambda s: SPLITS.index(s.split))


class _Run:
    """One export: opens the sessions one after the other, and measures."""

    def __init__(self, found: Sequence[Source], failures: Failures, note: Callable[[str], None]) -> None:
        self.sources, self.failures, self.done, self._note = found, failures, Exported(), note
        self.peaks: dict[int, float] = {}
        self._began = time.monotonic()
        self._lasts: dict[Path, float] = {}

    def opened(self) -> Iterator[tuple[int, Source, Session]]:
        """The sessions that can be read, one in memory at a time."""
        for number, source in enumerate(self.sources):
            self._note(source.name)
            with self.failures.telling(source.folder):
                session = Session(source.folder)
                self._lasts[source.folder] = session.duration_s
                yield number, source, session

    def finished(self) -> Exported:
        self.done.recorded_s = sum(s for folder, s in self._lasts.items() if folder not in self.failures)
        self.done.wall_s = time.monotonic() - self._began
        self.peaks[os.getpid()] = peak_mb()
        self.done.peak_mb = sum(self.peaks.values())
        return self.done


def _no_picture(source: Source) -> str:
    return f"{source.folder} has no readable picture: `combatvla tracker check` says what is in it"


@dataclass
class _ChatTask:
    part: Part
    source: int
    profile: GameProfile
    options: ChatOptions
    truth: Path | None
    out: Path
    stem: str


@dataclass
class _ChatDone:
    source: int
    counts: Alignment
    shards: list[tuple[Path, int]] = field(default_factory=list)
    why: str = ""
    """It could not be written: something in the session cannot be read."""


@lru_cache(maxsize=1)
def _truth(log: Path) -> TruthTrack:
    return TruthTrack(log)


def _write_part(task: _ChatTask) -> _ChatDone:
    counts = Alignment()
    try:
        truth = _truth(task.truth) if task.truth else None
        found = part_rows(task.part, task.profile, task.options, truth, counts, threads=1)
        shards = list(write_shards(task.out, found, lambda i: f"{task.stem}-{i:03d}.whole"))
    except UserError as error:
        return _ChatDone(task.source, Alignment(), why=str(error))
    return _ChatDone(task.source, counts, shards)


def to_chat(
    found: Sequence[Source],
    options: ChatOptions,
    truth: Path | None,
    out: Path,
    jobs: int,
    failures: Failures,
    note: Callable[[str], None],
) -> Exported:
    """Chat rows: the training shards in `out`, those for validation in `out/validation`. `UserError` when nothing can
    be read or written; whole shards stay."""
    run = _Run(found, failures, note)
    of_each = [Alignment() for _ in found]

    def tasks() -> Iterator[_ChatTask]:
        for number, source, session in run.opened():
            log = truth or session.folder / "truth.jsonl"
            log = log if truth or log.is_file() else None
            with failures.telling(source.folder):
                for k, part in enumerate(parts(session, source.profile, options, of_each[number])):
                    stem = f"{number:05d}-{k:05d}"
                    yield _ChatTask(part, number, source.profile, options, log, out, stem)

    numbers = dict.fromkeys(SPLITS, 0)
    with new_dataset(out):
        try:
            for done in in_order(_write_part, tasks(), jobs, run.peaks):
                if done.why:
                    failures.add(found[done.source].folder, done.why)
                of_each[done.source].add(done.counts)
                split = found[done.source].split
                for shard, _ in done.shards:
                    folder = out if split == "train" else out / split
                    folder.mkdir(exist_ok=True)
                    shard.rename(folder / shard_name(numbers[split], split))
                    numbers[split] += 1
        finally:
            for rest in (*out.glob("*.whole"), *out.glob("*.part")):
                with suppress(OSError):
                    rest.unlink()
        for source, counts in zip(found, of_each, strict=True):
            if not counts.samples + sum(counts.left_out.values()):
                failures.add(source.folder, _no_picture(source))
            if counts.samples or source.folder not in failures:
                run.done.counts.add(counts)
                run.done.sessions.append((source.name, source.split, counts.samples))
        failures.end_if_all("export")
        if not numbers["train"]:
            write_empty(out)
    run.done.files = sum(numbers.values())
    return run.finished()


def to_lerobot(
    found: Sequence[Source], out: Path, jobs: int, failures: Failures, note: Callable[[str], None]
) -> Exported:
    """A LeRobotDataset. `UserError` when nothing can be read or written."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} is not empty: choose another --out, or delete it first")
    run = _Run(found, failures, note)
    profiles = [source.profile for source in found]
    actions = tuple(a for a in Action if any(a in profile.keys for profile in profiles))
    frames = [0] * len(found)
    writer: Writer | None = None
    waiting: list[int] = []
    """Of each piece that was handed out, its session."""

    def tasks() -> Iterator[Piece]:
        nonlocal writer
        for number, source, session in run.opened():
            pressed = intervals(session.events, source.profile, int(session.frames.t_ns[-1]) if session.frames else 0)
            cut: list[Piece] = []
            with failures.telling(source.folder):
                cut = pieces(session, pressed, Look.of(session), actions)
            for piece in cut:
                segment = session.segments[piece.segment]
                if writer is None:
                    writer = Writer(
                        out, fps=session.info.fps, width=segment.width, height=segment.height, actions=actions
                    )
                if not writer.takes(session.info.fps, segment.width, segment.height):
                    why = f"not {writer.width}x{writer.height} at {writer.fps} fps"
                    run.done.left_out[why] = run.done.left_out.get(why, 0) + len(piece.session.frames)
                    continue
                piece.out = out / f"video-{len(waiting):05d}.part"
                waiting.append(number)
                yield piece

    try:
        for i, done in enumerate(in_order(copy_piece, tasks(), jobs, run.peaks)):
            number = waiting[i]
            for why, n in done.left_out.items():
                run.done.left_out[why] = run.done.left_out.get(why, 0) + n
            if done.episodes:
                source = found[number]
                frames[number] += sum(len(e.t_ns) for e in done.episodes)
                writer.add(done, out / f"video-{i:05d}.part", source.profile.prompt.strip(), source.name, source.split)
        for number, source in enumerate(found):
            if frames[number]:
                run.done.sessions.append((source.name, source.split, frames[number]))
            else:
                why = f"{source.folder} has no episode for this dataset: no pictures, or all were left out"
                failures.add(source.folder, why)
        failures.end_if_all("export")
        writer.close()
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        for rest in out.rglob("*.part"):
            with suppress(OSError):
                rest.unlink()
        with suppress(OSError):  # a folder that stayed empty
            out.rmdir()
    run.done.counts.actions = {a: n for a, n in writer.held.items() if n}
    run.done.files, run.done.episodes = writer.videos, writer.episodes
    return run.finished()


def card_options(args: Any, leave_out: Sequence[str]) -> dict[str, Any]:
    """The options that say how the data came to be; no paths of this machine."""
    return {
        f"--{name.replace('_', '-')}": value
        for name, value in vars(args).items()
        if name not in leave_out and not isinstance(value, Path)
    }
