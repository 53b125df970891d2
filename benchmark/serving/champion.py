"""A registered model in this process: lists of histories in, a table of recommendations out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

from benchmark.errors import UserError
from datasets.errors import quoted

if TYPE_CHECKING:  # they load slowly, and ``seqrec`` imports this file
    import pandas as pd

    from benchmark.tracking.registry.loading import Loaded

ITEMS_PER_BATCH = 200_000
"""Largest number of recommended items in one call of the model. Users are split into batches."""
USERS_PER_BATCH = 10_000
"""Largest number of users in one call of the model."""

History = Sequence[str | int]
"""Raw item ids, oldest first."""


@dataclass(frozen=True)
class Champion:
    """A registered model, loaded."""

    uri: str
    model: Loaded

    @property
    def data_digest(self) -> str | None:
        """The digest of the data that it was trained on; None if its run is not on this server."""
        return self.model.data_digest

    @property
    def item_ids(self) -> list[str]:
        """The items that it knows."""
        ids: list[str] = self.model.recommender.item_ids.tolist()
        return ids

    def recommend(
        self,
        histories: Sequence[History],
        k: int = 10,
        *,
        times: Sequence[Sequence[float] | None] | None = None,
        exclude_seen: bool | None = None,
    ) -> pd.DataFrame:
        """The best ``k`` items of each user, as the model's server answers.

        ``histories`` are a list of raw item ids for each user, oldest first; ``times``, if known, a
        list of numbers for each of them: equal ones are one basket. ``exclude_seen`` leaves out the
        items of the history; None: as in the evaluation of the model.

        Returns a row for each user, in their order: items (list of ids, best first), scores (list
        of float) and unknown (the number of ids of the history that the model does not know).
        Raises UserError for a k below 1, for histories that are no lists of ids, and for times that
        do not belong to them.
        """
        import pandas as pd
        from mlflow.exceptions import MlflowException

        histories = _lists(histories)
        if isinstance(k, bool) or not isinstance(k, Integral):
            raise UserError(f"k should be a whole number, not {quoted(k)}")
        if exclude_seen not in (None, True, False):
            raise UserError(f"exclude_seen should be True or False, not {quoted(exclude_seen)}")
        if times is not None and not self.model.reads_times:
            raise UserError(f"model {self.uri} reads no times: it is of an earlier version")
        if times is not None and len(times) != len(histories):
            raise UserError(
                f"{len(times):,} lists of times for {len(histories):,} histories: each history has "
                "one, or None"
            )
        if exclude_seen is None:
            exclude_seen = self.model.exclude_seen
        longest = max(1, min(k, len(self.model.recommender.item_ids)))
        size = max(1, min(USERS_PER_BATCH, ITEMS_PER_BATCH // longest))
        answers = []
        for first in range(0, max(len(histories), 1), size):
            batch = slice(first, first + size)
            columns = {"history": pd.Series(list(histories[batch]), dtype=object)}
            if times is not None:
                columns["times"] = pd.Series(list(times[batch]), dtype=object)
            try:
                answers.append(
                    self.model.recommender.predict(
                        None, pd.DataFrame(columns), {"k": k, "exclude_seen": exclude_seen}
                    )
                )
            except MlflowException as error:
                where = f" (rows from {first:,})" if first else ""
                raise UserError(f"no recommendations{where}: {error.message}") from None
        return pd.concat(answers, ignore_index=True)


def _lists(histories: object) -> list[History]:
    """The histories. Raises UserError for what holds none: a text, a mapping, a frame."""
    odd = isinstance(histories, str | bytes | Mapping) or hasattr(histories, "columns")
    if odd or not isinstance(histories, Iterable):
        raise UserError(
            "histories should be a list of lists of ids, one for each user, not "
            f"{type(histories).__name__}"
        )
    return list(histories)
