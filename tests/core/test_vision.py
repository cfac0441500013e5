"""Frame preparation: sizes, exactness where it is owed, errors, speed."""

import time

import numpy as np
import pytest

from combatvla.vision import FrameSpec


def test_grid_and_tokens():
    spec = FrameSpec()
    assert (spec.width, spec.height, spec.grid, spec.tokens) == (196, 112, (8, 14), 28)


@pytest.mark.parametrize("side", [0, 27, 100, 196.0, True, 28 * 200])
def test_bad_sizes_are_refused(side):
    with pytest.raises(ValueError, match="multiple of 28"):
        FrameSpec(width=side)


@pytest.mark.parametrize("shape", [(720, 1280, 3), (721, 1281, 3), (112, 196, 3), (60, 80, 3), (224, 392, 3)])
def test_any_size_comes_out_at_the_model_size(shape):
    frame = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    out = FrameSpec().prepare(frame)
    assert out.shape == (112, 196, 3) and out.dtype == np.uint8
    assert abs(out.mean() - frame.mean()) < 2


def test_exact_multiples_are_box_averages():
    small = np.random.default_rng(0).integers(0, 256, (112, 196, 3), dtype=np.uint8)
    assert np.array_equal(FrameSpec().prepare(small.repeat(2, 0).repeat(2, 1)), small)
    assert np.array_equal(FrameSpec().prepare(small.repeat(4, 0).repeat(4, 1)), small)
    assert FrameSpec().prepare(small) is small


def test_halving_stays_near_plain_area_averaging():
    import cv2

    coarse = np.random.default_rng(0).integers(0, 256, (18, 32, 3), dtype=np.uint8)
    frame = cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC)
    plain = cv2.resize(frame, (196, 112), interpolation=cv2.INTER_AREA)
    diff = np.abs(FrameSpec().prepare(frame).astype(int) - plain)
    assert diff.mean() < 1 and diff.max() <= 12, (diff.mean(), diff.max())


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_bad_frames_are_refused(bad):
    with pytest.raises(ValueError, match="expected a frame"):
        FrameSpec().prepare(bad)


def test_a_720p_frame_takes_a_few_milliseconds_at_most():
    frame = np.zeros((720, 1280, 3), np.uint8)
    best = 1.0
    for _ in range(10):
        start = time.perf_counter()
        FrameSpec().prepare(frame)
        best = min(best, time.perf_counter() - start)
    assert best < 0.005
