"""Preparation on a Ray cluster: the same sequences as on one machine, from many parts at a time.

1. Each task reads some parts, gives their users and items codes, and deals the rows into boxes by
   a hash of the user (``shares.read``).
2. Each box is put together from all tasks, in the order of the files (``shares.merge``).
3. For the k-core, boxes count their items, and the sums say which items are left; rows stay where
   they are (``shares.count``).
4. Each box is sorted, and cut where this machine needs it: the users of all boxes, in the order of
   their ids, go to files of this machine (``shares.in_order``).

This machine has all ids in memory, and writes the result to its disk. Ray runs the tasks of a lost
machine again.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from datasets import interactions
from datasets.coding import memory
from datasets.coding.coded import MOST_BOXES, REMOVED, by_id, joined, offsets_of
from datasets.coding.spool import Budget, Spool
from datasets.errors import DataError
from datasets.filters import Filters
from datasets.ids import IdTable
from datasets.machines import cluster, shares
from datasets.sequences import Sequences
from datasets.source import RawFile
from datasets.spans import SLAB, spans
from datasets.specs.spec import Spec
from datasets.splitting.splits import GIVEN

BOX = 16 << 20  # bytes of files, for which there is one box
TASKS_PER_CPU = 4  # that read, so that no machine waits long for another one
MOST_TASKS = 256  # each gives rows to each box


def why_here(spec: Spec, raw: RawFile | None) -> str:
    """Why a data set is prepared on one machine; "" if it need not be."""
    if raw is None:
        return "its interactions are generated, not read"
    if spec.split == GIVEN:
        return "its split is given by files, which are prepared in memory"
    return "" if len(raw.files) > 1 else "it is one file, and a cluster reads a part in each task"


class Distributed:
    """Interactions on the machines of a cluster: ``k_core`` and ``sequences`` as in ``Coded``."""

    def __init__(self, raw: RawFile, wanted: Filters, counts: Counter[str], budget: Budget):
        """Read the files of ``raw``, and apply all filters but the k-core; the numbers of rows are
        added to ``counts``. ``budget`` is that of this machine.

        Raises DataError as ``interactions.read`` does, and if the cluster cannot be used.
        """
        self.budget = budget
        self.items = IdTable()
        variables = {name: text for name, text in os.environ.items() if name == memory.VARIABLE}
        package = Path(str(sys.modules[__name__.partition(".")[0]].__file__)).parent
        self.ray = cluster.connect([package], variables)
        self.tasks = {
            task.__name__: self.ray.remote(task)
            for task in (shares.read, shares.merge, shares.count, shares.in_order)
        }
        n_cpus = int(self.ray.cluster_resources().get("CPU", 0))
        if not n_cpus:
            raise DataError("no machine of the Ray cluster has a CPU for tasks")
        self.boxes: list[Any] = []  # rows
        self.users: list[Any] = []  # shares.Users
        self._merge(*self._read(raw, wanted, counts, n_cpus), wanted, counts)

    def __len__(self) -> int:
        return self.n

    def _read(
        self, raw: RawFile, wanted: Filters, counts: Counter[str], n_cpus: int
    ) -> tuple[list[np.ndarray], list[list[Any]]]:
        """(for each task that reads, the codes of its items; for each, the boxes)."""
        layouts = interactions.layouts_of(raw, wanted)
        sizes = [path.stat().st_size for path in raw.files]
        n_boxes = min(max(n_cpus, sum(sizes) // BOX), MOST_BOXES)
        files = self.ray.put(shares.Files(raw, layouts, sizes, Path.cwd(), wanted))
        n_tasks = min(len(raw.files), TASKS_PER_CPU * n_cpus, MOST_TASKS)
        groups = [part.tolist() for part in np.array_split(np.arange(len(raw.files)), n_tasks)]
        read = self.tasks["read"].options(num_returns=1 + n_boxes)
        started = [read.remote(files, numbers, n_boxes) for numbers in groups]  # Found, *boxes
        codes = []
        expected: pa.Schema | None = None
        for found in self._results([first for first, *_ in started], "reading"):
            for number, schema in found.schemas.items():
                expected = expected or schema
                interactions.check_columns(raw, number, schema, expected)
            counts.update(found.counts)
            codes.append(self.items.codes(found.items))
        interactions.check_any(raw, layouts[0], wanted, counts)
        return codes, [boxes for _, *boxes in started]

    def _merge(
        self,
        codes: list[np.ndarray],
        read: list[list[Any]],
        wanted: Filters,
        counts: Counter[str],
    ) -> None:
        """Put the boxes together; empty ones are left out."""
        merge = self.tasks["merge"].options(num_returns=2)
        codes = self.ray.put(codes)
        merged = [merge.remote(codes, wanted, *of_tasks) for of_tasks in zip(*read, strict=True)]
        self.n = 0
        found = self._results([users for _, users in merged], "merging")
        for (rows, users), of_box in zip(merged, found, strict=True):
            counts.update(of_box.counts)
            self.n += of_box.n_rows
            if of_box.n_rows:
                self.boxes.append(rows)
                self.users.append(users)

    def k_core(self, of_user: int, of_item: int) -> None:
        """Remove rows as ``filters.k_core`` does."""
        kept = np.ones(len(self.items), bool)
        while True:
            self._count(kept, of_user)
            if not ((self.of_items > 0) & (self.of_items < of_item)).any():
                self.n = int(self.of_items.sum())
                return
            kept = self.of_items >= of_item

    def _count(self, kept: np.ndarray, of_user: int) -> None:
        """Count the rows with ``kept`` items and with users that have enough of them."""
        count = self.tasks["count"].options(num_returns=2)
        kept_there = self.ray.put(kept)
        boxes = zip(self.boxes, self.users, strict=True)
        counted = [count.remote(rows, users, kept_there, of_user) for rows, users in boxes]
        self.of_users = [users for _, users in counted]
        self.of_items = np.zeros(len(kept), np.int64)
        for of_items in self._results([items for items, _ in counted], "counting"):
            self.of_items += of_items

    def sequences(self, order_of_ties: str) -> Sequences:
        """The kept rows as sequences: see ``coded.Coded.sequences``. The rows are used up, and the
        cluster is left."""
        texts = [users.texts for users in cluster.result(self.ray, self.users)]
        of_boxes = cluster.result(self.ray, self.of_users)
        counts = np.concatenate(of_boxes)
        user_ids, places = by_id(pa.concat_arrays(texts), counts)
        item_ids, items = by_id(self.items.texts, self.of_items)
        offsets = offsets_of(places, counts)
        ends = np.cumsum([len(of_box) for of_box in of_boxes])
        owners = [np.sort(mine[mine != REMOVED]) for mine in np.split(places, ends[:-1])]
        # Users whose rows come to this machine at a time: from firsts[i] to firsts[i + 1] - 1.
        n_slabs = 1 + self.n // SLAB
        firsts = np.searchsorted(offsets[:-1] * n_slabs // self.n, np.arange(n_slabs + 1))
        boxes = self._in_order(owners, offsets, firsts, items, item_ids, order_of_ties)
        found_items = Spool(self.budget)
        found_times = Spool(self.budget)
        for first, end in pairwise(firsts):
            found = self._results([of_box.pop(0) for of_box in boxes], "collecting")
            mine = [of_box[(of_box >= first) & (of_box < end)] for of_box in owners]
            order = _by_owner(np.concatenate(mine), offsets)
            of_items, of_times = map(np.concatenate, zip(*found, strict=True))
            found_items.append(of_items[order])
            if len(of_times):
                found_times.append(of_times[order])
        self.ray.shutdown()
        return joined(found_items, found_times, offsets, user_ids, item_ids)

    def _in_order(
        self,
        owners: list[np.ndarray],
        offsets: np.ndarray,
        firsts: np.ndarray,
        *items_and_ties: Any,
    ) -> list[list[Any]]:
        """Sort the boxes, which have the users ``owners``: [n_boxes][n_slabs] results. The rows are
        used up."""
        n_slabs = len(firsts) - 1
        in_order = self.tasks["in_order"].options(num_returns=n_slabs)
        shared = [self.ray.put(value) for value in items_and_ties]
        found = []
        boxes = zip(self.boxes, self.users, self.of_users, owners, strict=True)
        for rows, users, of_users, mine in boxes:
            starts = np.concatenate([[0], np.cumsum(np.diff(offsets)[mine])])
            cuts = starts[np.searchsorted(mine, firsts)]
            slabs = in_order.remote(rows, users, of_users, cuts, *shared)
            found.append([slabs] if n_slabs == 1 else slabs)
        self.boxes = []
        return found

    def _results(self, tasks: list[Any], activity: str) -> Iterator[Any]:
        """The result of each task, in their order. Raises DataError as ``cluster.result`` does."""
        for task in tqdm(tasks, desc=f"{activity}, on the cluster", leave=False, disable=None):
            yield cluster.result(self.ray, task)


def _by_owner(owners: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The order that sorts rows by user, [n] int64. They are those of ``owners`` [m], one user
    after the other; ``offsets`` are those of all users."""
    lengths = np.diff(offsets)[owners]
    ends = np.cumsum(lengths)
    order = np.argsort(owners)
    return spans((ends - lengths)[order], ends[order])
