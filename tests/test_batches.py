"""Batches: every picture moves by its own amount, and normalisation is what it says."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb import batches
from spbl_nb.config import preset


def test_shift_and_mirror_by_hand():
    picture = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3)
    moved = batches.shift_and_mirror(
        picture.expand(4, 3, 3, 3),
        torch.tensor([[0, 0], [1, 0], [0, -1], [0, 0]]),
        torch.tensor([False, False, False, True]),
    )
    assert moved.dtype == torch.uint8
    assert moved[0, 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert moved[1, 1].tolist() == [[3, 4, 5], [6, 7, 8], [6, 7, 8]]
    assert moved[2, 2].tolist() == [[0, 0, 1], [3, 3, 4], [6, 6, 7]]
    assert moved[3, 0].tolist() == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_shift_and_mirror_against_one_picture_at_a_time(height, width, seed):
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (5, 3, height, width), dtype=np.uint8)
    shift, mirror = rng.integers(-3, 4, (5, 2)), rng.random(5) < 0.5
    moved = batches.shift_and_mirror(
        torch.from_numpy(pictures), torch.from_numpy(shift), torch.from_numpy(mirror)
    ).numpy()
    for picture, (down, right), flipped, result in zip(pictures, shift, mirror, moved, strict=True):
        bordered = np.pad(picture, ((0, 0), (3, 3), (3, 3)), mode="edge")
        window = np.stack([bordered[:, 3 + down + row, :] for row in range(height)], axis=1)
        columns = [(width - 1 - column if flipped else column) + right + 3 for column in range(width)]
        np.testing.assert_array_equal(result, window[:, :, columns])


@pytest.mark.parametrize("channels_last", [False, True])
def test_batches_are_normalised_in_the_order_asked_for(blobs, channels_last):
    data = blobs([4, 3], size=8)
    pictures = batches.Pictures(data, torch.device("cpu"), preset("smoke", channels_last=channels_last))
    batch = pictures.batch(np.array([6, 0]))
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (batches.CHANNEL_MEAN, batches.CHANNEL_STD))
    np.testing.assert_allclose(batch.numpy(), (data.images[[6, 0]] - mean) / std, rtol=1e-5)
    order = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.is_contiguous(memory_format=order)


@pytest.mark.filterwarnings("error")
def test_pictures_may_lie_in_a_read_only_memory_map(blobs, tmp_path):
    data = blobs([4, 4])
    np.save(tmp_path / "images.npy", data.images)
    mapped = dataclasses.replace(data, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    config, rows = preset("smoke"), np.arange(8)
    device = torch.device("cpu")
    assert torch.equal(
        batches.Pictures(mapped, device, config).batch(rows), batches.Pictures(data, device, config).batch(rows)
    )
