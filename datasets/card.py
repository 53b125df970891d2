"""Summary of a data set: a few lines for the terminal, and RecBole's data set card."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import yaml

from datasets import parts
from datasets.errors import masked
from datasets.filters import KEEP, Filters, listed
from datasets.reading.times import A_DATE
from datasets.sequences import Sequences
from datasets.specs.spec import RANDOM_TIES, WHOLE_BASKETS, Spec
from datasets.splitting.splits import GIVEN
from datasets.splitting.targets import Split, Targets

MANY = 0.05  # share of tied test targets that a warning is worth
FEW = 0.001  # share of copies that a warning is worth
GAIN = 0.02  # share of successors that the file's order has to add to a random one's for a warning
A_DAY = 2e4  # of a spreadsheet: the year 1954; a count of steps is smaller
CUT_OFF = 10  # of the metrics on the card

Numbers = Mapping[str, int | float]


class Card:
    """What is known of a data set with its split."""

    def __init__(self, spec: Spec, sequences: Sequences, split: Split):
        self.spec = spec
        self.sequences = sequences
        self.split = split

    @cached_property
    def numbers(self) -> dict[str, int | float]:
        """The statistics of the sequences and of their split, by name."""
        split, sequences = self.split, self.sequences
        numbers = sequences.statistics | {
            "users_not_evaluated": split.users_not_evaluated,
            "repeated_test_targets": float(split.test.repeated(sequences.items).mean()),
            **split.cold(sequences),
        }
        tied = split.tied_targets(sequences)
        return numbers if tied is None else numbers | {"tied_test_targets": tied}

    @cached_property
    def times(self) -> tuple[float, float] | None:
        """The first and the last time; None if there are none, or synthetic ones."""
        found = self.sequences.timestamps
        if found is None or self.spec.synthetic:
            return None
        return float(found.min()), float(found.max())

    def summary(self) -> str:
        """Numbers of users, items and interactions; users per part of the split; what to know of
        the order of equal times and of repeats."""
        spec, numbers, split = self.spec, self.numbers, self.split
        synthetic = " SYNTHETIC data, generated here:" if spec.synthetic else ""
        trained = (split.train_ends - split.train_starts).sum()
        lines = [
            f"{spec.title}:{synthetic} {numbers['users']:,} users, {numbers['items']:,} items, "
            f"{numbers['interactions']:,} interactions, sparsity {percent(numbers['sparsity'])}; "
            f"digest {self.sequences.digest}",
            f"{split.name}: {trained:,} interactions for training, {_evaluated(split.valid)} for "
            f"validation, {_evaluated(split.test, '')} for test",
        ]
        if split.users_not_evaluated:
            lines.append(f"{split.users_not_evaluated:,} users {split.not_evaluated}")
        if spec.split == GIVEN:
            lines.append(f"split by files: {parts.sentence(numbers)}")
        elif numbers["cold_test_targets"] or numbers["cold_users"]:
            lines.append(f"cold targets: {cold(numbers)}")
        if self.times and _are_counts(self.times) and self.times[1] >= A_DAY:
            first, last = self.times
            lines.append(
                f"times: {first:,.15g} to {last:,.15g}, as seconds since 1970 no dates after "
                "1973: if they are dates, give timestamp_unit, or write them as 2023-01-31"
            )
        if "tied_neighbours" not in numbers or numbers["tied_neighbours"]:
            lines.append(order_of_ties(spec, numbers))
        if numbers["pairs"] < numbers["interactions"]:
            lines.append(repeats(numbers))
        lines += [f"warning: {text}" for text in warnings(numbers, split.name)]
        return "\n".join(lines)

    def render(self) -> str:
        """The card, in markdown. The configuration in it is a YAML file that ``spec.read`` accepts.

        Layout: RecBole, asset/hyper_tune_configs/sequential/amazon-books_seq.md.
        """
        spec, numbers = self.spec, self.numbers
        counts = " | ".join(f"{numbers[name]:,}" for name in ("users", "items", "interactions"))
        title = spec.title.replace("|", "\\|")
        plain = yaml.safe_dump(spec.as_dict(), sort_keys=False, allow_unicode=True, width=100)
        configuration = masked(plain)
        method = spec.rule.on_card + WHOLE_BASKETS * (spec.targets == "last-tied")
        lines = [
            f"# {spec.title}",
            f"**Dataset:** {spec.name}",
            f"**Data filtering:** {_filtering(spec.filters)}",
            f"**K-core filtering:** {_core(*spec.filters.minima)}",
            f"**Evaluation method:** chronological arrangement, {method} and full sorting",
            f"**Order:** {order_of_ties(spec, numbers)}",
            *_times(self.times),
            "**Evaluation metric:** Recall@10, NDCG@10, MRR@10, Hit@10, Precision@10",
            f"**Digest:** `{self.sequences.digest}`, of the prepared sequences",
            "## Dataset Information",
            "| Dataset | #Users | #Items | #Interactions | Sparsity |\n"
            "| --- | --- | --- | --- | --- |\n"
            f"| {title} | {counts} | {percent(numbers['sparsity'])} |",
            f"**Configuration file ({spec.name}.yaml):**",
            f"```yaml\n{configuration}```",
        ]
        lines.append(f"**Cold targets:** {cold(numbers)}")
        if numbers["pairs"] < numbers["interactions"]:
            lines.append(f"**Repeats:** {repeats(numbers).removeprefix('repeats: ')}")
        if spec.split == GIVEN:
            lines.append(f"**Split by files:** {parts.sentence(numbers)}")
        lines += [f"**Warning:** {text}" for text in warnings(numbers, self.split.name)]
        if spec.synthetic:
            lines.insert(1, "**Synthetic** data: they say nothing about real users.")
        return "\n\n".join(lines) + "\n"


def _evaluated(targets: Targets, noun: str = " users") -> str:
    """The number of users with that noun, or of targets and users where users have several."""
    n_targets = len(targets.positions)
    if n_targets > targets.n_users:
        return f"{n_targets:,} targets of {targets.n_users:,} users"
    return f"{targets.n_users:,}{noun}"


def order_of_ties(spec: Spec, numbers: Numbers) -> str:
    """Which interactions have no order in time, and what orders them."""
    if "tied_neighbours" not in numbers:
        return "no times: the order of each user's interactions is that of the file"
    if not numbers["tied_neighbours"]:
        return "no equal times: time alone orders each user's interactions"
    order = "random" if spec.ties == "random" else "that of the file"
    return (
        f"equal times: {numbers['tied_neighbours']:.1%} of neighbouring interactions, "
        f"{numbers['tied_test_targets']:.1%} of test targets; their order is {order}"
    )


def repeats(numbers: Numbers) -> str:
    """What share of the interactions and of the targets repeats an item of the user's history."""
    repeated = 1 - numbers["pairs"] / numbers["interactions"]
    text = (
        f"repeats: {repeated:.1%} of interactions, {numbers['repeated_test_targets']:.1%} of test "
        "targets are an item that the user has had before"
    )
    copies = numbers.get("copies", 0)
    return f"{text}; {copies:,} interactions are copies (same time)" if copies else text


def cold(numbers: Numbers) -> str:
    """What share of the targets no model was trained on, and how many users."""
    return (
        f"{numbers['cold_test_targets']:.1%} of test targets are items without training "
        f"interactions; {numbers['cold_users']:,} users with test targets have no training "
        "interactions"
    )


def warnings(numbers: Numbers, protocol: str) -> list[str]:
    """What to know before believing results on these data; sentences without a full stop.

    ``numbers`` are those of a ``Card``; older versions stored fewer of them. ``protocol``
    begins with the name of the split.
    """
    found = parts.warnings(numbers)
    order_tells = _order_tells(protocol)
    tied = numbers.get("tied_test_targets", 0)
    if order_tells and tied > MANY:
        by_files = "rows_in_two_files" in numbers
        unclear = "whether it is in the history" if by_files else "which of them is the target"
        advice = "" if by_files else "; if they are baskets, predict whole ones: targets: last-tied"
        found.append(
            f"{tied:.1%} of the test targets have the same time as another interaction of their "
            f"user: {unclear} depends on the order of the file's rows; compare with ties: random"
            f"{advice}"
        )
    if order_tells and _sorted(numbers):
        found.append(
            f"the rows at equal times are sorted by item: {numbers['tied_ascending']:.1%} of "
            "neighbours are in "
            "the order of their items' ids, in random order 50%; results are too high: use ties: "
            "random"
        )
    if order_tells and _predicts(numbers):
        in_order = numbers.get("successors_in_order", 0)
        at_random = numbers.get("successors_in_random_order", 0)
        found.append(
            "the order of the file's rows predicts items at equal times: the ten most frequent "
            f"successors of an item include the next one in {in_order:.1%} of cases, in random "
            f"order in {at_random:.1%}; unless the rows are in the order in which things happened "
            "(and not sorted by item, for example), results are too high: use ties: random"
        )
    copies = numbers.get("copies", 0) / max(numbers["interactions"], 1)
    if WHOLE_BASKETS not in protocol and copies > FEW:
        found.append(
            f"{copies:.1%} of the interactions are copies of another one (same user, item and "
            "time): a model that repeats the last item predicts them; of copies that follow "
            "each other, filters: {duplicates: consecutive} keeps one"
        )
    if numbers["items"] <= CUT_OFF:
        found.append(
            f"with {numbers['items']} items, every item is among the first {CUT_OFF}: metrics at "
            f"{CUT_OFF} do not tell models apart"
        )
    return found


def order_predicts(numbers: Numbers, protocol: str) -> bool:
    """Whether the file's order of rows at equal times predicts items, so that results may be too
    high. Arguments as for ``warnings``."""
    return _order_tells(protocol) and (_sorted(numbers) or _predicts(numbers))


def _order_tells(protocol: str) -> bool:
    """Whether the file's order of rows at equal times decides a result. That of a whole basket does
    not: no history holds a part of the targets' own basket."""
    return WHOLE_BASKETS not in protocol and RANDOM_TIES not in protocol


def _sorted(numbers: Numbers) -> bool:
    """Whether clearly more or fewer tied neighbours ascend than in random order, not by chance."""
    n_tied = numbers.get("tied_neighbours", 0) * numbers["interactions"]
    ascending = numbers.get("tied_ascending", 0.5)
    return n_tied > 0 and abs(ascending - 0.5) > max(0.1, 5 * math.sqrt(0.25 / n_tied))


def _predicts(numbers: Numbers) -> bool:
    """Whether the file's order predicts clearly more items than a random one, and not by chance."""
    asked = numbers.get("successors_asked", 0)
    at_random = numbers.get("successors_in_random_order", 0)
    gain = numbers.get("successors_in_order", 0) - at_random
    variance = max(at_random * (1 - at_random), 0)
    return asked > 0 and gain > max(GAIN, 5 * math.sqrt(2 * variance / asked))


def _times(ends: tuple[float, float] | None) -> list[str]:
    """The line with the first and the last time, by which a wrong unit shows itself."""
    if ends is None:
        return []
    first, last = ends
    if _are_counts(ends):
        return [f"**Times:** {first:,.15g} to {last:,.15g}"]
    return [f"**Times:** {_day(first)} to {_day(last)}"]


def _are_counts(ends: tuple[float, float]) -> bool:
    """Whether the times are too small to be seconds since 1970 of the last fifty years."""
    return max(map(abs, ends)) < A_DATE


def _core(of_user: int, of_item: int) -> str:
    if of_user <= 1 and of_item <= 1:
        return "none"
    if of_user == of_item:
        who = f"users and items with less than {of_user} interactions"
    else:
        who = f"users with less than {of_user} interactions and items with less than {of_item}"
    return f"delete {who}, until all have as many"


def percent(sparsity: float) -> str:
    """Two decimals, or as many as it takes to tell a sparsity below 1 from 100%."""
    decimals = 2
    while sparsity < 1 and f"{sparsity:.{decimals}%}".startswith("100"):
        decimals += 1
    return f"{sparsity:.{decimals}%}"


def _filtering(filters: Filters) -> str:
    """The filters before the k-core in RecBole's words: what is deleted, intervals beyond each
    end."""
    deleted = []
    for column, values in filters.where.items():
        deleted.append(f"{column} other than {listed(values)}")
    for column, values in filters.where_not.items():
        deleted.append(f"{column} {listed(values)}")
    if filters.duplicates == "consecutive":
        deleted.append("the item of the user's record before")
    elif filters.duplicates != KEEP:
        deleted.append(f"a pair of user and item again (the {filters.duplicates} is kept)")
    for name, (low, high) in filters.intervals.items():
        for end, beyond in ((low, "less"), (high, "more")):
            if math.isfinite(end):
                day = f" ({_day(end)})" if name == "timestamp" else ""
                number = np.format_float_positional(end, trim="-")
                deleted.append(f"{name} {beyond} than {number}{day}")
    return f"delete interactive records with {' or '.join(deleted)}" if deleted else "none"


def _day(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "not a date of the calendar"
