"""Ids that a user of the data should look at: different ids that read alike, such as "7" and "7.0",
and a user with so many interactions that it may stand for all users without an id."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datasets.errors import LONGEST_QUOTE
from datasets.ids import Ids
from datasets.sequences import Sequences

NO_BREAK_SPACE = "\u00a0"
WHOLE = r"^(-?[0-9]+)\.0+$"
CROWD = 0.01  # of all interactions: no user has as many
TIMES_AVERAGE = 100  # an average user's interactions, in small data
DIFFERENCES = "outer or no-break spaces, the coding of accents, or .0 after a number"


def lookalikes(user_ids: Ids, item_ids: Ids) -> list[str]:
    """A sentence for users and one for items, if some of their ids differ in that alone."""
    sentences = []
    for column, ids in (("user", user_ids), ("item", item_ids)):
        found = _pairs(ids.texts)
        if found:
            first, second = found[0]
            example = f"{first!a:.{LONGEST_QUOTE}} and {second!a:.{LONGEST_QUOTE}}"
            sentences.append(
                f"{column} ids that differ from others in {DIFFERENCES} alone: {len(found):,}, "
                f"such as {example}; they count as different {column}s"
            )
    return sentences


def crowds(sequences: Sequences) -> list[str]:
    """A sentence about the user with the most interactions, if they are too many for one user."""
    counts = np.diff(sequences.offsets)
    largest = int(np.argmax(counts))
    share = counts[largest] / sequences.n_interactions
    if share <= max(CROWD, TIMES_AVERAGE / sequences.n_users):
        return []
    name = f"{sequences.user_ids[largest]!a:.{LONGEST_QUOTE}}"
    return [
        f"user {name} has {counts[largest]:,} interactions, {share:.1%} of all: if it stands for "
        f"users without an id, leave its rows out, by filters: where_not"
    ]


def _pairs(ids: pa.Array) -> list[tuple[str, str]]:
    """(id, the same without those differences) of each id that looks like another one.

    Of ids that look alike, one at most is plain. So the others suffice.
    """
    spaced = pc.not_equal(pc.utf8_trim_whitespace(ids), ids)
    unusual = pc.or_(
        pc.or_(spaced, pc.invert(pc.string_is_ascii(ids))), pc.match_substring(ids, ".0")
    )
    candidates = ids.filter(unusual)
    plain = pc.replace_substring(candidates, NO_BREAK_SPACE, " ")
    plain = pc.utf8_trim_whitespace(pc.utf8_normalize(plain, "NFC"))
    plain = pc.replace_substring_regex(plain, WHOLE, r"\1")
    changed = pc.not_equal(plain, candidates)
    candidates = candidates.filter(changed)
    plain = plain.filter(changed)
    pairs = []
    owners: dict[str, str] = {}
    known = pc.is_in(plain, value_set=ids).to_pylist()
    for name, form, is_known in zip(candidates.to_pylist(), plain.to_pylist(), known, strict=True):
        if is_known:
            pairs.append((name, form))
        elif form in owners:
            pairs.append((name, owners[form]))
        else:
            owners[form] = name
    return pairs
