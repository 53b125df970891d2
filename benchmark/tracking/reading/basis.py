"""What two trials have to share so that their results can be compared."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

from benchmark.tracking import schema


class Basis(NamedTuple):
    """The data and the protocol of a trial; empty where it logged none."""

    digest: str
    protocol: str

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Self:
        """From the tags of a run."""
        return cls(tags.get(schema.DATA_DIGEST, ""), tags.get(schema.PROTOCOL, ""))

    def differences(self, other: "Basis") -> Iterator[tuple[str, str, str]]:
        """(tag, this one's value, the other's) of each that differs."""
        tags = (schema.DATA_DIGEST, schema.PROTOCOL)
        for tag, ours, theirs in zip(tags, self, other, strict=True):
            if ours != theirs:
                yield tag, ours, theirs
