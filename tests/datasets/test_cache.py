"""A cache file is restored as it was stored, or not at all."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from datasets import cache
from datasets.sequences import Sequences, from_interactions
from datasets.specs import spec

ROWS = 20_000  # numpy reads the arrays in several pieces, and their checksums last
FLIPS = (0x01, 0x08, 0x0C, 0x0E, 0x20, 0x80, 0xFF)  # 8, 12, 14: other compression methods


@pytest.fixture
def stored(here) -> tuple[Sequences, bytes]:
    """(sequences, the bytes of their cache file)."""
    numbers = np.arange(ROWS)
    rows = {"user": numbers % 300, "item": numbers % 77, "timestamp": numbers / 2}
    frame = pd.DataFrame(rows).astype({"user": str, "item": str})
    sequences = from_interactions(frame)
    cache.store(sequences, here / "a.npz")
    return sequences, (here / "a.npz").read_bytes()


def is_whole(restored: Sequences | None, stored: Sequences) -> bool:
    return restored is not None and all(
        np.array_equal(getattr(restored, field.name), getattr(stored, field.name))
        for field in fields(Sequences)
    )


def positions(content: bytes) -> list[int]:
    """Every byte that is not data: headers of members and arrays, and the archive's directory; and
    some bytes of the data."""
    members = [i for i in range(len(content)) if content.startswith(b"PK\x03\x04", i)]
    directory = content.index(b"PK\x01\x02")
    headers = [i for start in members for i in range(start, start + 190)]
    return [*headers, *range(directory, len(content)), *range(0, len(content), 10_007)]


def test_a_flipped_byte_is_noticed(here, stored):
    sequences, content = stored
    assert is_whole(cache.restore(here / "a.npz"), sequences)
    for number, position in enumerate(positions(content)):
        damaged = bytearray(content)
        damaged[position] ^= FLIPS[number % len(FLIPS)]
        (here / "b.npz").write_bytes(damaged)
        restored = cache.restore(here / "b.npz")
        assert restored is None or is_whole(restored, sequences), position


@pytest.mark.parametrize("method", [1, 8, 9, 12, 14, 93, 255])
def test_another_compression_method_is_noticed(here, stored, method):
    _, content = stored
    damaged = bytearray(content)
    damaged[content.index(b"PK\x01\x02") + 10] = method
    (here / "b.npz").write_bytes(damaged)
    assert cache.restore(here / "b.npz") is None


@pytest.mark.parametrize(
    "header",
    [
        b"(" * 60,
        b"\n\n  a\n b",
        b"{'descr': '<i4', 'fortran_order': False, 'shape': (9999999999999,), }",
        b"{'descr': '<i4', 'fortran_order': False, 'shape': (%d,), }" % 10**30,
        b"{'descr': '|O', 'fortran_order': False, 'shape': (20000,), }",
    ],
)
def test_a_damaged_array_is_noticed(here, stored, header):
    _, content = stored
    start = content.index(b"\x93NUMPY") + 10
    damaged = content[:start] + header.ljust(118) + content[start + 118 :]
    (here / "b.npz").write_bytes(damaged)
    assert cache.restore(here / "b.npz") is None


def test_a_truncated_file_is_noticed(here, stored):
    _, content = stored
    for length in [*range(0, len(content), 1_009), *range(len(content) - 600, len(content))]:
        (here / "b.npz").write_bytes(content[:length])
        assert cache.restore(here / "b.npz") is None, length


def test_a_missing_array_is_noticed(here, stored):
    """The digest does not cover the timestamps."""
    _, content = stored
    renamed = content.replace(b"timestamps.npy", b"timestumps.npy")
    (here / "b.npz").write_bytes(renamed)
    assert cache.restore(here / "b.npz") is None


def test_a_missing_file_is_no_error(here):
    assert cache.restore(here / "b.npz") is None


def test_compressed_arrays_are_not_unpacked(here, stored):
    """A cache file is never a decompression bomb: its arrays are stored as they are."""
    with np.load(here / "a.npz") as arrays:
        np.savez_compressed(here / "b.npz", **arrays)
    assert cache.restore(here / "b.npz") is None


def test_caches_of_shipped_data_sets_stay_valid():
    """New keys of YAML files change no cache of the data sets that do not use them."""
    known = {
        name: cache.path_of(spec.read(name), None).stem for name in ("beauty", "demo", "ml-1m")
    }
    assert known == {
        "beauty": "beauty-2dce2309a7b7ef18",
        "demo": "demo-2e59339ba4116562",
        "ml-1m": "ml-1m-8c74e998610243c8",
    }
    where = spec.Filters(where={"event": ("view",)})
    changed = replace(spec.read("ml-1m"), filters=where)
    assert cache.path_of(changed, None).stem != "ml-1m-8c74e998610243c8"
