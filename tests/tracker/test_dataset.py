"""The chat-row dataset: what is written is what is read."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from combatvla.errors import UserError
from tracker.dataset import (
    Row,
    chat_row,
    dataset_shards,
    decode_png,
    encode_png,
    read_rows,
    write_rows,
)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (112, 196, 3), dtype=np.uint8)


def some_rows(count: int) -> list[Row]:
    return [
        chat_row(
            "What now?",
            [encode_png(picture(i)), encode_png(picture(i + 1))],
            "<dodge><t200><TRUNC>it strikes",
            source="session",
            t_ns=i * 10**9,
            session="s",
            frame_index=i,
            plan="<dodge><t200>",
        )
        for i in range(count)
    ]


def test_round_trip_over_several_shards(tmp_path):
    rows = some_rows(7)
    assert write_rows(tmp_path / "d", iter(rows), shard_rows=3) == 7
    assert [s.name for s in dataset_shards(tmp_path / "d")] == [f"train-0000{i}.parquet" for i in range(3)]
    assert list(read_rows(tmp_path / "d")) == rows
    back = next(read_rows(tmp_path / "d"))
    assert (decode_png(back.images[1]) == picture(1)).all()
    assert back.answer == "<dodge><t200><TRUNC>it strikes"
    assert [m.role for m in back.messages] == ["user", "assistant"]
    assert [p.type for p in back.messages[0].content] == ["image", "image", "text"]


@settings(max_examples=25, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=50),
    t_ns=st.integers(0, 2**63 - 1),
    images=st.integers(0, 3),
    system=st.none() | st.just("You fight."),
)
def test_any_text_round_trips(tmp_path_factory, text, t_ns, images, system):
    folder = tmp_path_factory.mktemp("rows")
    row = chat_row(text, [encode_png(picture(0))] * images, text, source=text, t_ns=t_ns, system=system)
    write_rows(folder, [row])
    assert list(read_rows(folder)) == [row]


def test_png_is_lossless_rgb():
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 0] = 255
    assert (decode_png(encode_png(red)) == red).all()
    with pytest.raises(ValueError, match="expected uint8"):
        encode_png(red.astype(np.float32))
    with pytest.raises(ValueError, match="not a readable PNG"):
        decode_png(b"\x89PNG broken")


def test_the_columns_are_what_trl_and_datasets_read(tmp_path):
    write_rows(tmp_path / "d", some_rows(1))
    table = pq.read_table(dataset_shards(tmp_path / "d")[0])
    record = table.to_pylist()[0]
    assert set(record["images"][0]) == {"bytes", "path"} and record["images"][0]["path"] is None
    assert record["messages"][0]["content"][0] == {"type": "image", "text": None}
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert set(features) == set(table.column_names)
    assert features["images"]["feature"] == {"_type": "Image"}


def test_rows_that_do_not_agree_are_refused(tmp_path):
    good = some_rows(1)[0].model_dump()
    with pytest.raises(ValidationError, match="the messages name 2 images, the row holds 1"):
        Row.model_validate({**good, "images": good["images"][:1]})
    with pytest.raises(ValidationError, match="is no PNG file"):
        Row.model_validate({**good, "images": [b"jpeg", b"jpeg"]})
    with pytest.raises(UserError, match="row 1 is no AoT row: source"):
        write_rows(tmp_path / "d", [good, {k: v for k, v in good.items() if k != "source"}])


def test_an_existing_dataset_is_not_overwritten_unasked(tmp_path):
    write_rows(tmp_path / "d", some_rows(5), shard_rows=2)
    with pytest.raises(UserError, match="already holds a dataset"):
        write_rows(tmp_path / "d", some_rows(1))
    write_rows(tmp_path / "d", some_rows(1), overwrite=True)
    assert len(list(read_rows(tmp_path / "d"))) == 1


def test_an_interrupted_run_leaves_whole_shards(tmp_path):
    def broken():
        yield from some_rows(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(tmp_path / "d", broken(), shard_rows=2)
    assert len(list(read_rows(tmp_path / "d"))) == 4
    assert not list((tmp_path / "d").glob("*.part"))


def test_a_full_disk_keeps_the_whole_shards(small_disk):
    with pytest.raises(UserError, match="cannot write the dataset .*No space left.*whole shards .* are kept"):
        write_rows(small_disk / "d", some_rows(12), shard_rows=2)
    assert len(list(read_rows(small_disk / "d"))) == 2
    assert not list((small_disk / "d").glob("*.part"))


def test_unreadable_datasets(tmp_path):
    with pytest.raises(UserError, match="no dataset at .*combatvla tracker export"):
        next(read_rows(tmp_path / "none"))
    write_rows(tmp_path / "d", some_rows(3))
    shard = dataset_shards(tmp_path / "d")[0]
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="no readable Parquet file"):
        list(read_rows(tmp_path / "d"))
    shard.write_bytes(whole[:2000] + b"\xff" * 5000 + whole[7000:])
    with pytest.raises(UserError, match="cannot be read as an AoT dataset"):
        list(read_rows(tmp_path / "d"))
    table = pq.read_table(io.BytesIO(whole))
    pq.write_table(table.select(["source"]), shard)
    with pytest.raises(UserError, match=r"has no column \['images', 'messages'\]"):
        list(read_rows(tmp_path / "d"))
    for images in ([None] * 3, [1, 2, 3], [[{"path": "a.png"}]] * 3, ["text"] * 3):
        pq.write_table(table.set_column(table.schema.get_field_index("images"), "images", pa.array(images)), shard)
        with pytest.raises(UserError, match="cannot be read as an AoT dataset") as caught:
            list(read_rows(tmp_path / "d"))
        assert "\n" not in str(caught.value)


def test_an_empty_dataset_is_empty_not_missing(tmp_path):
    assert write_rows(tmp_path / "d", []) == 0
    assert list(read_rows(tmp_path / "d")) == []


def test_rows_that_fail_at_once_leave_no_folder(tmp_path):
    def none():
        raise UserError("there is nothing to align")
        yield

    with pytest.raises(UserError, match="nothing to align"):
        write_rows(tmp_path / "new", none())
    assert not (tmp_path / "new").exists()
