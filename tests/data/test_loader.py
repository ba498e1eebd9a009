"""Batches, their order, and the part that is held out."""
import numpy as np
import pytest

from minicnn import data


def numbered(N=23, classes=3):
    """Each image is its own number."""
    images = np.broadcast_to(np.arange(N, dtype=np.uint8)[:, None, None, None], (N, 1, 2, 2)).copy()
    return data.Dataset(images, np.arange(N) % classes, tuple("abc"[:classes]))


def order(batches):
    return [int(n) for images, _ in batches for n in np.round(images.data[:, 0, 0, 0] * 255)]


def test_every_image_once_and_another_order_each_epoch():
    loader = data.Loader(numbered(), 5, shuffle=True, seed=1)
    first, second = order(loader), order(loader)
    assert len(loader) == 5 and sorted(first) == sorted(second) == list(range(23)) and first != second != sorted(second)
    again = data.Loader(numbered(), 5, shuffle=True, seed=1)
    assert order(again) == first and order(again.batches(0)) == first and order(again.batches(1)) == second
    assert order(data.Loader(numbered(), 5, shuffle=True, seed=2)) != first


def test_an_epoch_goes_on_at_any_batch_with_the_same_bits():
    loader = data.Loader(numbered(), 5, shuffle=True, transform=data.Compose([data.Distort(1, 20, 0.1, 0.1), data.Normalise()]))
    whole, rest = list(loader.batches(3)), list(loader.batches(3, start=2))
    assert len(rest) == 3
    for (images, labels), (same_images, same_labels) in zip(whole[2:], rest):
        assert images.data.tobytes() == same_images.data.tobytes() and np.array_equal(labels.data, same_labels.data)
        assert images.dtype == np.float32 and labels.dtype == np.int64 and images.data.flags.c_contiguous


def test_labels_stay_with_their_images_and_the_last_batch_may_be_dropped():
    for images, labels in data.Loader(numbered(), 5, shuffle=True):
        assert np.array_equal(np.round(images.data[:, 0, 0, 0] * 255) % 3, labels.data)
    assert [len(labels.data) for _, labels in data.Loader(numbered(), 5)] == [5, 5, 5, 5, 3]
    assert [len(labels.data) for _, labels in data.Loader(numbered(), 5, drop_last=True)] == [5, 5, 5, 5]
    assert order(data.Loader(numbered(), 5)) == list(range(23))


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_a_wrong_batch_size_is_refused(size):
    with pytest.raises(ValueError, match="batch_size should be a whole number of at least 1, got"):
        data.Loader(numbered(), size)


def test_no_images_make_no_batch():
    with pytest.raises(ValueError, match="0 images make no batch of 4"):
        data.Loader(numbered()[:0], 4)
    with pytest.raises(ValueError, match="3 images make no batch of 4; use drop_last=False or a smaller batch"):
        data.Loader(numbered()[:3], 4, drop_last=True)


def test_split_is_stratified_complete_and_seeded():
    whole = data.mnist5k()
    rest, held = data.split(whole, 400, seed=0)
    assert (rest.counts == 360).all() and (held.counts == 40).all()
    pixels = sorted(image.tobytes() for part in (rest, held) for image in part.images)
    assert pixels == sorted(image.tobytes() for image in whole.images)
    again, other = (data.split(whole, 400, seed=seed)[1] for seed in (0, 1))
    assert np.array_equal(again.images, held.images) and not np.array_equal(other.images, held.images)


def test_split_rounds_shares_by_their_remainders():
    labels = np.repeat([0, 1, 2], [10, 7, 3])
    dataset = data.Dataset(np.zeros((20, 1, 1, 1), np.uint8), labels, ("a", "b", "c"))
    assert data.split(dataset, 5)[1].counts.tolist() == [2, 2, 1]                  # shares 2.5, 1.75, 0.75
    for held_out in (0, 20, 21):
        with pytest.raises(ValueError, match=f"split: cannot hold out {held_out} of 20 images"):
            data.split(dataset, held_out)


def test_a_dataset_checks_what_it_is_given():
    images = np.zeros((3, 1, 2, 2), np.uint8)
    with pytest.raises(ValueError, match=r"expected images uint8 \(N, C, H, W\), got float32 \(3, 2, 2\)"):
        data.Dataset(np.zeros((3, 2, 2), np.float32), np.zeros(3, int), ("a",))
    with pytest.raises(ValueError, match=r"3 images need 3 whole-number labels, got int64 \(2,\)"):
        data.Dataset(images, np.zeros(2, int), ("a",))
    with pytest.raises(ValueError, match="labels run from 0 to 5; with 2 classes they must be 0 to 1"):
        data.Dataset(images, np.array([0, 1, 5]), ("a", "b"))
