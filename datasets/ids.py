"""Ids of users and items: a column in Arrow's memory, and a table that numbers them as they come.

An id is compared by a key of 16 bytes. Up to 16 bytes the key is the id itself, which has no zero
byte. Of longer ids it is a hash: among 100 million, two have equal keys with probability 1e-23.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

WORD = 8  # bytes
MASKS = np.array([(1 << 8 * n) - 1 for n in range(WORD + 1)], np.uint64)  # the first n bytes
# Odd numbers without a pattern: the golden ratio and those of MurmurHash3.
FIRST = np.uint64(0x9E3779B97F4A7C15)
SECOND = np.uint64(0xFF51AFD7ED558CCD)
THIRD = np.uint64(0xC4CEB9FE1A85EC53)
HALF = np.uint64(32)
FREE = -1
FULL = 0.5  # largest share of slots that are taken


class Ids:
    """Different ids in a fixed order, [n] large_string: as an array of text, in a third of its
    memory or less."""

    def __init__(self, texts: pa.Array):
        self.texts = texts

    @classmethod
    def of(cls, ids: np.ndarray) -> Ids:
        """The ids of an array of text, [n]."""
        return cls(pa.array(ids.tolist(), pa.large_string()))

    @classmethod
    def mapped(cls, ends: np.ndarray, text: np.ndarray) -> Ids:
        """Ids whose bytes stand one after the other in ``text`` [bytes] uint8; id ``i`` is
        ``text[ends[i]:ends[i + 1]]``, with ``ends`` [n + 1] int64. Nothing is copied."""
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(text)]
        texts = pa.Array.from_buffers(pa.large_string(), len(ends) - 1, buffers)
        texts.validate(full=True)
        return cls(texts)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The arguments of ``mapped``."""
        return bytes_of(self.texts)

    def chosen(self, at: np.ndarray) -> Ids:
        """Some of the ids; ``at`` is [m] int64."""
        return Ids(self.texts.take(pa.array(at, pa.int64())))

    def tolist(self) -> list[str]:
        texts: list[str] = self.texts.to_pylist()
        return texts

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def hashes(self) -> np.ndarray:
        """A number of each id, [n] uint64, that follows from the id alone."""
        return _mixed(*_keys(self.texts))

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, at: int | np.integer[Any]) -> str: ...

    @overload
    def __getitem__(self, at: np.ndarray | slice) -> np.ndarray: ...

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return np.asarray(Ids(self.texts[at]))
        if not isinstance(at, np.ndarray):
            return self.texts[int(at)].as_py()
        if at.dtype == bool:
            at = np.flatnonzero(at)
        return np.asarray(self.chosen(at.ravel())).reshape(at.shape)

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:
        return self.texts.cast(type) if type else self.texts

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.tolist(), dtype or str)

    def __eq__(self, other: object) -> Any:
        return np.asarray(self) == np.asarray(other)

    __hash__ = None  # type: ignore[assignment]


class IdTable:
    """Numbers ids from 0 in the order in which they come first.

    It takes about 30 bytes for an id, and the id itself.
    """

    def __init__(self) -> None:
        self._count = 0
        self._texts: list[pa.Array] = []
        self._keys = np.empty((0, 2), np.uint64)  # [capacity, 2], by code
        self._slots = np.full(1 << 10, FREE, np.int32)  # the code, at a place that its key gives

    def __len__(self) -> int:
        return self._count

    @property
    def texts(self) -> pa.Array:
        """The ids by code, [n] large_string."""
        whole = pa.concat_arrays([pa.array([], pa.large_string()), *self._texts])
        self._texts = [whole]
        return whole

    def codes(self, texts: pa.Array) -> np.ndarray:
        """The codes of ids, [n] int32; ``texts`` [n] string has no null."""
        keys = np.stack(_keys(texts), axis=1)
        self._reserve(len(texts))
        codes, new = self._find(keys)
        added = texts.take(pa.array(new)).cast(pa.large_string())
        self._texts.append(added)
        return codes

    def _reserve(self, more: int) -> None:
        """Make room for ``more`` ids."""
        wanted = self._count + more
        if wanted > len(self._keys):
            grown = np.empty((max(wanted, 2 * self._count), 2), np.uint64)
            grown[: self._count] = self._keys[: self._count]
            self._keys = grown
        if wanted > FULL * len(self._slots):
            self._slots = np.full(1 << int(np.ceil(np.log2(wanted / FULL))), FREE, np.int32)
            codes = np.arange(self._count, dtype=np.int32)
            slots = self._first_slots(self._keys[: self._count])
            while len(codes):
                free = self._slots[slots] == FREE
                self._slots[slots[free]] = codes[free]  # the last one that writes wins
                left = self._slots[slots] != codes
                codes = codes[left]
                slots = self._next_slots(slots[left])

    def _first_slots(self, keys: np.ndarray) -> np.ndarray:
        return (_mixed(keys[:, 0], keys[:, 1]) & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _next_slots(self, slots: np.ndarray) -> np.ndarray:
        return (slots + 1) & (len(self._slots) - 1)

    def _find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(the codes of ``keys`` [n, 2], [n] int32; the rows [m] int64 whose keys are new).

        All rows look into their slots at the same time. A slot has another key: the row looks into
        the next one. A slot is free: one of its rows takes it, for all rows with this key.
        """
        codes = np.full(len(keys), FREE, np.int32)
        new = [np.empty(0, np.int64)]
        rows = np.arange(len(keys))
        slots = self._first_slots(keys)
        while len(rows):
            there = self._slots.take(slots)
            free = np.flatnonzero(there == FREE)
            if len(free):
                new.append(self._take_slots(slots[free], rows[free], keys))
                there = self._slots.take(slots)
            found = self._keys.take(there, axis=0)
            wanted = keys.take(rows, axis=0)
            same = (found[:, 0] == wanted[:, 0]) & (found[:, 1] == wanted[:, 1])
            codes[rows[same]] = there[same]
            rows = rows[~same]
            slots = self._next_slots(slots[~same])
        return codes, np.concatenate(new)

    def _take_slots(self, slots: np.ndarray, rows: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Give each of the free slots to one of its rows: the rows that have one, [m] int64."""
        self._slots[slots] = rows  # the last row that writes wins
        won = self._slots[slots] == rows
        first = rows[won]
        codes = np.arange(self._count, self._count + len(first), dtype=np.int32)
        self._slots[slots[won]] = codes
        self._keys[codes] = keys[first]
        self._count += len(first)
        return first


def bytes_of(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(where each text starts, and the last one ends, [n + 1] int64; their bytes [bytes] uint8)."""
    wide = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, ends, text = texts.buffers()
    if not len(texts) or text is None:
        return np.zeros(len(texts) + 1, np.int64), np.empty(0, np.uint8)
    at = np.frombuffer(ends, wide)[texts.offset : texts.offset + len(texts) + 1]
    return (at - at[0]).astype(np.int64), np.frombuffer(text, np.uint8)[at[0] : at[-1]]


def _keys(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The two halves of each id's key, [n] uint64 each."""
    at, text = bytes_of(texts)
    padded = np.concatenate([text, np.zeros(2 * WORD, np.uint8)])
    # The word of 8 bytes that begins at each byte.
    words = np.ndarray((len(padded) - WORD + 1,), "<u8", padded, strides=(1,))
    starts = at[:-1]
    lengths = np.diff(at)
    low = words[starts] & MASKS[np.minimum(lengths, WORD)]
    rest = np.clip(lengths - WORD, 0, WORD)
    high = words[np.minimum(starts + WORD, len(text))] & MASKS[rest]
    done = 2 * WORD
    longer = np.flatnonzero(lengths > done)
    while len(longer):
        rest = np.minimum(lengths[longer] - done, WORD)
        word = words[starts[longer] + done] & MASKS[rest]
        before = low[longer]
        low[longer] = _mixed(before ^ word, high[longer])
        high[longer] = _mixed(high[longer] + word * SECOND, before + FIRST)
        done += WORD
        longer = longer[lengths[longer] > done]
    return low, high


def _mixed(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A hash of two numbers each, [n] uint64 all."""
    mixed = low * FIRST ^ (high + SECOND) * THIRD
    mixed ^= mixed >> HALF
    mixed *= SECOND
    mixed ^= mixed >> HALF
    mixed *= THIRD
    result: np.ndarray = mixed ^ (mixed >> HALF)
    return result


def order_of(texts: pa.Array) -> np.ndarray:
    """The order of the ids by their bytes, which is that of their characters' codes: [n] int64."""
    order: np.ndarray = pc.sort_indices(texts).to_numpy().astype(np.int64)
    return order
