"""The AoT dataset: chat rows in Parquet, one folder of shards.

A row is a conversation and its pictures, as TRL and the Qwen scripts read them:

    messages  list of {role, content: list of {type: "image"} | {type: "text", text}}
    images    list of {bytes: PNG, path: null}, in the order of the image parts (oldest first)
    source    where the row comes from ("session", "simulator", ...)
    t_ns      `time.monotonic_ns()` of the newest frame (simulators: simulated time)
    session, frame_index, plan   where a recorded row was cut from, and its plan as text ("", -1, "" elsewhere)

Each shard is written under another name and renamed when complete: an interrupted run leaves whole shards only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, count, islice, product
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from combatvla.aot import AoT, AoTError, Dialect, Order, decode, encode
from combatvla.errors import UserError, reason

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_ROW_GROUP = 128

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_PART = pa.struct([("type", pa.string()), ("text", pa.string())])
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.list_(_PART))])
_STRING, _INT = {"dtype": "string", "_type": "Value"}, {"dtype": "int64", "_type": "Value"}
_FEATURES = {  # lets `datasets.load_dataset` decode the pictures without being told
    "messages": [{"role": _STRING, "content": [{"type": _STRING, "text": _STRING}]}],
    "images": {"feature": {"_type": "Image"}, "_type": "Sequence"},
    "source": _STRING,
    "t_ns": _INT,
    "session": _STRING,
    "frame_index": _INT,
    "plan": _STRING,
}
SCHEMA = pa.schema(
    [
        ("messages", pa.list_(_MESSAGE)),
        ("images", pa.list_(_IMAGE)),
        ("source", pa.string()),
        ("t_ns", pa.int64()),
        ("session", pa.string()),
        ("frame_index", pa.int64()),
        ("plan", pa.string()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


class Part(BaseModel):
    """One part of a message: a picture's place, or text."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["image", "text"]
    text: str | None = None

    @model_validator(mode="after")
    def _text_where_due(self) -> Part:
        if (self.text is None) != (self.type == "image"):
            raise ValueError("a text part carries `text`, an image part none")
        return self


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")
    role: Literal["system", "user", "assistant"]
    content: list[Part]


class Row(BaseModel):
    """One conversation with its pictures. `ValidationError` when the parts and the pictures do not agree."""

    model_config = ConfigDict(extra="forbid")
    messages: list[Message]
    images: list[bytes]
    """PNG files, as `FrameSpec.prepare` made the pictures, in the order of the image parts."""
    source: str
    t_ns: int
    session: str = ""
    frame_index: int = -1
    plan: str = ""

    @field_validator("images")
    @classmethod
    def _png(cls, images: list[bytes]) -> list[bytes]:
        for i, image in enumerate(images):
            if not image.startswith(PNG_MAGIC):
                raise ValueError(f"image {i} is no PNG file; encode it with tracker.dataset.encode_png")
        return images

    @model_validator(mode="after")
    def _one_picture_a_part(self) -> Row:
        places = sum(p.type == "image" for m in self.messages for p in m.content)
        if places != len(self.images):
            raise ValueError(f"the messages name {places} images, the row holds {len(self.images)}")
        if not self.messages:
            raise ValueError("a row needs at least one message")
        return self

    @property
    def answer(self) -> str:
        """The text of the last assistant message, "" when there is none."""
        for message in reversed(self.messages):
            if message.role == "assistant":
                return "".join(p.text for p in message.content if p.text)
        return ""


def encode_png(pixels: np.ndarray) -> bytes:
    """`uint8[H, W, 3]` RGB as a PNG file (fast, lossless)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"expected uint8[H, W, 3], got {pixels.dtype}{list(pixels.shape)}")
    # Of OpenCV's ways the quickest, and no larger for pictures of games.
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    ok, data = cv2.imencode(".png", pixels[:, :, ::-1], how)
    assert ok, "OpenCV could not encode a PNG"
    return data.tobytes()


def decode_png(png: bytes) -> np.ndarray:
    """The inverse of `encode_png`: `uint8[H, W, 3]` RGB. `ValueError` for a broken file."""
    bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"not a readable PNG ({len(png)} bytes)")
    return np.ascontiguousarray(bgr[:, :, ::-1])


def chat_row(
    prompt: str, images: Sequence[bytes], answer: str, *, source: str, t_ns: int, system: str | None = None, **where
) -> Row:
    """A row of one question and one answer: the pictures (oldest first), then the prompt, then the assistant's text.
    `where`: `session`, `frame_index`, `plan`."""
    user = [Part(type="image") for _ in images] + [Part(type="text", text=prompt)]
    messages = [] if system is None else [Message(role="system", content=[Part(type="text", text=system)])]
    messages += [
        Message(role="user", content=user),
        Message(role="assistant", content=[Part(type="text", text=answer)]),
    ]
    return Row(messages=messages, images=list(images), source=source, t_ns=t_ns, **where)


def write_rows(path: str | Path, rows: Iterable[Row | dict], *, shard_rows: int = 2000, overwrite: bool = False) -> int:
    """Writes `rows` into the folder `path` as Parquet shards of at most `shard_rows`; returns how many there were.

    `UserError` when the folder already holds a dataset (unless `overwrite`), cannot be written, or a row is wrong.
    """
    folder = Path(path)
    with new_dataset(folder, overwrite=overwrite):
        total = sum(n for _, n in write_shards(folder, rows, shard_name, shard_rows))
        if not total:  # an empty dataset is one empty shard: a reader sees that it is empty, not missing
            write_empty(folder)
    return total


@contextmanager
def new_dataset(folder: Path, *, overwrite: bool = False) -> Iterator[None]:
    """A folder to write a dataset into; what the disk says becomes a `UserError`. A folder that stays empty is removed
    again."""
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old = sorted(folder.glob("*.parquet"))
        if old and not overwrite:
            raise UserError(f"{folder} already holds a dataset: choose another --out, or delete it first")
        for shard in old:
            shard.unlink()
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        if is_new:
            with suppress(OSError):  # it stays as soon as it holds a shard
                folder.rmdir()


def cannot_write(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write the dataset {folder} ({error.strerror or error}): whole shards written before are kept; "
        "free some space or choose another --out"
    )


def shard_name(index: int, split: str = "train") -> str:
    return f"{split}-{index:05d}.parquet"


def write_shards(
    folder: Path, rows: Iterable[Row | dict], name: Callable[[int], str], shard_rows: int = 2000
) -> Iterator[tuple[Path, int]]:
    """Writes `rows` into `folder`, at most `shard_rows` into each file `name(0)`, `name(1)`…; yields each file when it
    is whole, and how many rows it has. `_ROW_GROUP` rows at a time are in memory. `OSError` when the disk is full."""
    if shard_rows < 1:
        raise ValueError(f"shard_rows must be at least 1, got {shard_rows}")
    ahead = enumerate(rows)
    for shard in count():
        if (first := next(ahead, None)) is None:
            return
        shard_of = chain([first], islice(ahead, shard_rows - 1))
        path = folder / name(shard)
        yield path, _write_shard(path, (_checked(row, index) for index, row in shard_of))


def write_empty(folder: Path) -> None:
    _write_shard(folder / shard_name(0), ())


def dataset_shards(path: str | Path) -> list[Path]:
    """The Parquet files of a dataset (a folder, or one file). `UserError` when there are none."""
    where = Path(path)
    shards = [where] if where.is_file() else sorted(where.glob("*.parquet"))
    if not shards:
        raise UserError(
            f"no dataset at {where}: expected a folder of .parquet files, as `combatvla tracker export` or "
            "`combatvla env data` writes"
        )
    return shards


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of a dataset one after the other, `_ROW_GROUP` at a time in memory. `UserError` for a missing, foreign
    or broken file."""
    for shard in dataset_shards(path):
        file = _open(shard)
        missing = {"messages", "images"} - set(file.schema_arrow.names)
        if missing:
            raise UserError(f"{shard} is no AoT dataset: it has no column {sorted(missing)}; see tracker/dataset.py")
        columns = [name for name in SCHEMA.names if name in file.schema_arrow.names]
        try:
            for batch in file.iter_batches(batch_size=_ROW_GROUP, columns=columns):
                for record in batch.to_pylist():
                    record["images"] = [i["bytes"] if isinstance(i, dict) else i for i in record["images"]]
                    yield Row.model_validate({"source": "", "t_ns": 0, **record})
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:  # columns of other types, too
            raise UserError(f"{shard} cannot be read as an AoT dataset: {reason(error)}; make it anew") from error


def read_plans(path: str | Path) -> Iterator[tuple[str, str]]:
    """Each row's session and its plan as text ("" where it has neither a plan nor an answer that is one). No picture is
    read. `UserError` as `read_rows`."""
    for shard in dataset_shards(path):
        file = _open(shard)
        columns = [name for name in ("session", "plan", "messages") if name in file.schema_arrow.names]
        if "messages" not in columns:
            raise UserError(f"{shard} is no AoT dataset: it has no column ['messages']; see tracker/dataset.py")
        try:
            for batch in file.iter_batches(batch_size=_ROW_GROUP, columns=columns):
                for record in batch.to_pylist():
                    yield record.get("session") or "", record.get("plan") or _answered(record["messages"])
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{shard} cannot be read as an AoT dataset: {reason(error)}; make it anew") from error


def _answered(messages: list[dict]) -> str:
    """The plan in the first answer that is one."""
    for message in messages:
        if message["role"] != "assistant":
            continue
        answer = "".join(part["text"] or "" for part in message["content"])
        for dialect, order in product(get_args(Dialect), get_args(Order)):
            with suppress(AoTError):
                return encode(AoT(decode(answer, dialect, order).plan), order="thought_first")
    return ""


def _checked(row: Row | dict, index: int) -> Row:
    try:
        return row if isinstance(row, Row) else Row.model_validate(row)
    except ValidationError as error:
        raise UserError(f"row {index} is no AoT row: {reason(error)}") from error


def _write_shard(final: Path, rows: Iterable[Row]) -> int:
    part = final.with_suffix(".part")
    waiting, total = iter(rows), 0
    try:
        # PNG does not compress again; only the text columns gain, and they are small.
        with pq.ParquetWriter(part, SCHEMA, compression="snappy", write_page_checksum=True) as writer:
            while group := [_record(row) for row in islice(waiting, _ROW_GROUP)]:
                writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
                total += len(group)
        part.rename(final)
    except BaseException:  # Ctrl-C as well
        part.unlink(missing_ok=True)
        raise
    return total


def _record(row: Row) -> dict:
    return {**row.model_dump(), "images": [{"bytes": image, "path": None} for image in row.images]}


def _open(shard: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(shard, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{shard} is no readable Parquet file ({reason(error)}): make the dataset anew") from error
