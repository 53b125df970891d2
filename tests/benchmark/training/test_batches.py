"""Windows, padding and shuffling, compared with plain loops over single sequences."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.training.batches import TrainingBatches, windows
from models.batches import Interactions, histories

PAD = 999
untimed = Interactions.without_times
lengths = st.lists(st.integers(0, 23), min_size=1, max_size=12)


def bounds(lengths):
    ends = np.cumsum(lengths)
    return ends - np.array(lengths), ends


@given(lengths, st.integers(1, 9))
def test_windows_cover_every_item_once_and_are_full_but_for_the_first(lengths, size):
    found = zip(*windows(*bounds(lengths), size), strict=True)
    expected = []
    for start, end in zip(*bounds(lengths), strict=True):
        while end > start:
            expected.append((max(start, end - size), end))
            end -= size
    assert list(found) == expected


@given(lengths.filter(any), st.integers(1, 9), st.integers(1, 5))
def test_one_pass_shows_every_window_once_padded_on_the_left(lengths, size, batch_size):
    items = torch.arange(sum(lengths))
    starts, ends = bounds(lengths)
    batches = TrainingBatches(
        untimed(items), starts, ends, max_length=size, batch_size=batch_size, pad=PAD
    )
    passes = list(batches.shuffled(torch.Generator().manual_seed(1)))
    assert len(passes) == len(batches)
    seen = []
    for batch in passes:
        assert batch.items.shape[0] <= batch_size
        assert batch.items.shape[1] <= size
        for row in batch.items.tolist():
            real = [item for item in row if item != PAD]
            assert row == [PAD] * (len(row) - len(real)) + real
            seen.append(real)
    expected = [items[a:b].tolist() for a, b in zip(*windows(starts, ends, size), strict=True)]
    assert sorted(seen) == sorted(expected)


@given(lengths.filter(any), st.integers(2, 9), st.integers(1, 5))
def test_sampled_windows_are_as_many_and_end_anywhere_but_at_a_first_item(lengths, size, batch):
    items = torch.arange(sum(lengths))
    starts, ends = bounds(lengths)
    of_item = np.repeat(np.arange(len(lengths)), lengths)
    kept = {"max_length": size, "batch_size": batch, "pad": PAD}
    batches = TrainingBatches(untimed(items), starts, ends, **kept, kind="sampled")
    seen = np.zeros(len(lengths), dtype=int)
    for rows in batches.shuffled(torch.Generator().manual_seed(1)):
        for row in rows.items.tolist():
            real = [item for item in row if item != PAD]
            owner = of_item[real[-1]]
            seen[owner] += 1
            assert real == list(range(max(starts[owner], real[-1] + 1 - size), real[-1] + 1))
            assert len(real) >= min(2, lengths[owner])
    assert seen.tolist() == [-(-n // size) for n in lengths]


def test_every_item_that_has_a_past_ends_a_sampled_window_as_often():
    batches = TrainingBatches(
        untimed(torch.arange(11)),
        *bounds([11]),
        max_length=1000,
        batch_size=1,
        pad=PAD,
        kind="sampled",
    )
    generator = torch.Generator().manual_seed(1)
    ends = [int(next(batches.shuffled(generator)).items[0, -1]) for _ in range(2000)]
    counts = np.bincount(ends, minlength=11)
    assert counts[0] == 0
    assert counts[1:].min() > 150


def test_passes_differ_and_repeat_with_the_seed():
    def passes(seed):
        generator = torch.Generator().manual_seed(seed)
        batches = TrainingBatches(
            untimed(torch.arange(400)), *bounds([4] * 100), max_length=4, batch_size=100, pad=PAD
        )
        return [next(iter(batches.shuffled(generator))).items.tolist() for _ in range(2)]

    assert passes(1) == passes(1)
    assert passes(1)[0] != passes(1)[1]
    assert passes(1) != passes(2)


@given(st.lists(st.integers(1, 15), min_size=1, max_size=10), st.integers(1, 9))
def test_histories_are_the_last_items_before_their_ends(lengths, size):
    starts, ends = bounds(lengths)
    items = torch.arange(100, 100 + sum(lengths))
    seen = {}
    found = histories(untimed(items), starts, ends, max_length=size, batch_size=3, pad=PAD)
    for rows, history in found:
        for row, past in zip(rows, history.items.tolist(), strict=True):
            seen[int(row)] = [i for i in past if i != PAD]
    expected = {
        row: items[max(a, b - size) : b].tolist()
        for row, (a, b) in enumerate(zip(starts, ends, strict=True))
    }
    assert seen == expected


@given(lengths.filter(any), st.integers(1, 9), st.integers(0, 200), st.booleans())
def test_windows_are_preceded_by_the_interactions_before_them(lengths, size, memory, sampled):
    items = torch.arange(sum(lengths))
    starts, ends = bounds(lengths)
    of_item = np.repeat(np.arange(len(lengths)), lengths)
    sizes = {"max_length": size, "batch_size": 4, "pad": PAD, "memory": memory}
    batches = TrainingBatches(
        untimed(items), starts, ends, **sizes, kind="sampled" if sampled else "tiled"
    )
    plain = TrainingBatches(
        untimed(items),
        starts,
        ends,
        **sizes | {"memory": 0},
        kind="sampled" if sampled else "tiled",
    )
    wanted, found = (
        sorted(
            [item for item in row[-size:] if item != PAD]
            for batch in of.shuffled(torch.Generator().manual_seed(1))
            for row in batch.items.tolist()
        )
        for of in (plain, batches)
    )
    assert found == wanted
    for batch in batches.shuffled(torch.Generator().manual_seed(1)):
        for row, times in zip(batch.items.tolist(), batch.baskets.tolist(), strict=True):
            real = [item for item in row if item != PAD]
            first = max(starts[of_item[real[-1]]], real[-1] + 1 - size - memory)
            assert real == list(range(first, real[-1] + 1))
            assert times[-len(real) :] == real
