"""Batches: every image moves by its own amount, and normalisation is what it says."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb.config import preset
from spbl_nb.training import batches


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 4), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_shift_and_mirror_against_one_image_at_a_time(height, width, margin, whole, seed):
    """Also where a margin is cut off: there the images come as windows of the large ones, or of floats."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (5, 3, height + 2 * margin, width + 2 * margin), dtype=np.uint8)
    shift, mirror = rng.integers(-3, 4, (5, 2)), rng.random(5) < 0.5
    given = torch.from_numpy(images) if whole else torch.from_numpy(images).float()
    moved = batches.shift_and_mirror(given, torch.from_numpy(shift), torch.from_numpy(mirror), margin)
    assert moved.dtype == given.dtype
    moved = moved.numpy()
    for image, (down, right), flipped, result in zip(images, shift, mirror, moved, strict=True):
        bordered = np.pad(image, ((0, 0), (3, 3), (3, 3)), mode="edge")
        window = np.stack([bordered[:, 3 + margin + down + row, :] for row in range(height)], axis=1)
        columns = [(width - 1 - column if flipped else column) + right + 3 + margin for column in range(width)]
        np.testing.assert_array_equal(result, window[:, :, columns])


def normalised(images):
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (batches.CHANNEL_MEAN, batches.CHANNEL_STD))
    return (np.asarray(images, dtype=np.float64) - mean) / std


@pytest.mark.parametrize("channels_last", [False, True])
def test_batches_are_normalised_in_the_order_asked_for(blobs, channels_last):
    data = blobs([4, 3], size=8)
    images = batches.Images(data, torch.device("cpu"), preset("smoke", channels_last=channels_last))
    batch = images.batch(np.array([6, 0]))
    np.testing.assert_allclose(batch.numpy(), normalised(data.images[[6, 0]]), rtol=1e-5)
    order = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.is_contiguous(memory_format=order)


def test_a_crop_is_cut_from_the_stored_image_and_the_rest_is_reduced(blobs):
    from torchvision.transforms import v2

    data = blobs([4, 3], size=24)
    images = batches.Images(data, torch.device("cpu"), preset("smoke", crop=True, padding=4))
    rows = np.array([5, 0, 2])
    moved = images.batch(rows, np.array([[-4, 4], [0, 0], [3, -1]]), np.array([False, True, False]))
    cuts = [data.images[5][:, 0:16, 8:24], data.images[0][:, 4:20, 4:20][:, :, ::-1], data.images[2][:, 7:23, 3:19]]
    np.testing.assert_allclose(moved.numpy(), normalised(cuts), atol=1e-5)
    reduced = v2.functional.resize(torch.from_numpy(data.images[rows]).float(), [16, 16], antialias=True).round()
    np.testing.assert_allclose(images.batch(rows).numpy(), normalised(reduced.numpy()), atol=1e-5)


@pytest.mark.filterwarnings("error")
def test_images_in_a_read_only_file_give_the_same_batches(blobs, tmp_path):
    data = blobs([9, 6], size=16)
    np.save(tmp_path / "images.npy", data.images)
    mapped = dataclasses.replace(data, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    assert mapped.sha256 == data.sha256
    taken, rows = np.array([14, 3, 9, 3, 0]), [np.array([4, 0]), np.array([2, 2, 3])]
    in_memory, in_file = (
        batches.Images(one.take(taken), torch.device("cpu"), preset("smoke")) for one in (data, mapped)
    )
    expected = [in_memory.batch(one) for one in rows]
    in_file.read_ahead(rows[1])
    for index in (0, 1):  # what was read ahead is not what is asked for first
        assert torch.equal(in_file.batch(rows[index]), expected[index])
    in_file.read_ahead(rows[1])
    assert torch.equal(in_file.batch(rows[1]), expected[1])
