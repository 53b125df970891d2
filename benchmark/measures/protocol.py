"""The protocol of a result: what two results must share to be compared, beside the data.

It is a text of parts with semicolons between them: a tag of each run, which earlier versions and
other programs have written, too. What is written and read of it is here; the names of splits are
``datasets``'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from benchmark.measures.metrics import SELECTION_METRIC

MASKED = "history masked"
"""Items of the history are no candidates. What becomes of repeated targets follows where there are
any; earlier versions never wrote it."""
_REPEATED = f"{MASKED}, repeated targets "
_NOT_MASKED = "history not masked"
_SELECTION = f"best valid {SELECTION_METRIC}"


@dataclass(frozen=True)
class Protocol:
    parts: tuple[str, ...]

    @classmethod
    def of(cls, split: str, history: str, sample: int = 0) -> Self:
        """``split`` is its name, ``history`` one of the following; ``sample``: so many users alone
        are evaluated, 0: all."""
        parts = [split, "every item a candidate", history, "ties rank last", _SELECTION]
        return cls((*parts, f"a fixed sample of {sample:,} users") if sample else tuple(parts))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Any text is a protocol."""
        return cls(tuple(part.strip() for part in text.split(";") if part.strip()))

    def __str__(self) -> str:
        return "; ".join(self.parts)

    def without(self, others: Iterable["Protocol"]) -> Self:
        """The parts that none of the others has."""
        theirs = {part for other in others for part in other.parts}
        return type(self)(tuple(part for part in self.parts if part not in theirs))

    @property
    def evaluation(self) -> tuple[str, ...]:
        """The parts but the rule by which an epoch is selected."""
        return tuple(part for part in self.parts if part != _SELECTION)

    @property
    def sees_later_interactions(self) -> bool:
        """Whether models are trained on other users' interactions that are later than the test."""
        return bool(self.parts) and self.parts[0].startswith("leave-one-out")

    @property
    def masks_alone(self) -> bool:
        """Whether the history is masked, without a word on repeated targets: no target repeats, or
        an earlier version wrote the text."""
        return MASKED in self.parts

    @property
    def says_what_repeats(self) -> bool:
        """Whether a part names what becomes of repeated targets."""
        return any(part.startswith(_REPEATED) for part in self.parts)


def history(setting: str, repeated: tuple[int, int]) -> str:
    """The part about the history. ``setting`` is that of the name; ``repeated`` is the number of
    targets of validation and of test that are in their own history."""
    if setting == "ranked":
        return _NOT_MASKED
    if not any(repeated):  # masked and novel are the same
        return MASKED
    if setting == "masked":
        return f"{_REPEATED}are misses"
    return f"{_REPEATED}left out ({repeated[0]:,} of validation, {repeated[1]:,} of test)"
