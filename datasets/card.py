"""Summary of a data set: a few lines for the terminal, and RecBole's data set card."""

import math
from datetime import UTC, datetime

import yaml

from datasets.sequences import Sequences
from datasets.spec import SPLITS, Filters, Spec


def summary(spec: Spec, sequences: Sequences) -> str:
    """Numbers of users, items and interactions; users per part of the split."""
    numbers = sequences.statistics
    split = spec.split_of(sequences)
    synthetic = " SYNTHETIC data, generated here:" if spec.synthetic else ""
    trained = (split.train_ends - split.train_starts).sum()
    lines = [
        f"{spec.title}:{synthetic} {numbers['users']:,} users, {numbers['items']:,} items, "
        f"{numbers['interactions']:,} interactions, sparsity {percent(numbers['sparsity'])}; "
        f"digest {sequences.digest}",
        f"{split.name}: {trained:,} interactions for training, {len(split.valid.users):,} users "
        f"for validation, {len(split.test.users):,} for test",
    ]
    if split.users_not_evaluated:
        lines.append(f"{split.users_not_evaluated:,} users {split.not_evaluated}")
    return "\n".join(lines)


def render(spec: Spec, sequences: Sequences) -> str:
    """The card, in markdown. The configuration in it is a YAML file that ``spec.read`` accepts.

    Layout: RecBole, asset/hyper_tune_configs/sequential/amazon-books_seq.md.
    """
    numbers = sequences.statistics
    k = spec.filters.k_core
    core = f"delete users and items with less than {k} interactions, until all have as many"
    counts = " | ".join(f"{numbers[name]:,}" for name in ("users", "items", "interactions"))
    title = spec.title.replace("|", "\\|")
    configuration = yaml.safe_dump(spec.as_dict(), sort_keys=False, allow_unicode=True, width=100)
    split = SPLITS[spec.split].on_card
    lines = [
        f"# {spec.title}",
        f"**Dataset:** {spec.name}",
        f"**Data filtering:** {_filtering(spec.filters)}",
        f"**K-core filtering:** {core if k > 1 else 'none'}",
        f"**Evaluation method:** chronological arrangement, {split} and full sorting",
        "**Evaluation metric:** Recall@10, NDCG@10, MRR@10, Hit@10, Precision@10",
        f"**Digest:** `{sequences.digest}`, of the prepared sequences",
        "## Dataset Information",
        "| Dataset | #Users | #Items | #Interactions | Sparsity |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| {title} | {counts} | {percent(numbers['sparsity'])} |",
        f"**Configuration file ({spec.name}.yaml):**",
        f"```yaml\n{configuration}```",
    ]
    if spec.synthetic:
        lines.insert(1, "**Synthetic** data: they say nothing about real users.")
    return "\n\n".join(lines) + "\n"


def percent(sparsity: float) -> str:
    """Two decimals, or as many as it takes to tell a sparsity below 1 from 100%."""
    decimals = 2
    while sparsity < 1 and f"{sparsity:.{decimals}%}".startswith("100"):
        decimals += 1
    return f"{sparsity:.{decimals}%}"


def _filtering(filters: Filters) -> str:
    """The interval filters in RecBole's words: what is deleted beyond each end."""
    deleted = []
    for name, (low, high) in filters.intervals.items():
        for end, beyond in ((low, "less"), (high, "more")):
            if math.isfinite(end):
                day = f" ({_day(end)})" if name == "timestamp" else ""
                deleted.append(f"{name} {beyond} than {end:.15g}{day}")
    return f"delete interactive records with {' or '.join(deleted)}" if deleted else "none"


def _day(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "not a date of the calendar"
