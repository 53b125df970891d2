"""What a data set is, in a few lines and on a page: RecBole's data set card."""

import math
from datetime import UTC, datetime

import yaml

from datasets.sequences import Sequences
from datasets.spec import Filters, Spec

EVALUATION = {
    "leave-one-out": "chronological arrangement, leave one out split data set and full sorting",
    "temporal": "chronological arrangement, data set split at two points in time and full sorting",
}


def summary(spec: Spec, sequences: Sequences) -> str:
    """What a model is trained on, and how many users it is evaluated on."""
    numbers, split = sequences.statistics, spec.split_of(sequences)
    synthetic = " SYNTHETIC data, generated here:" if spec.synthetic else ""
    trained = (split.train_ends - split.train_starts).sum()
    lines = [
        f"{spec.title}:{synthetic} {numbers['users']:,} users, {numbers['items']:,} items, "
        f"{numbers['interactions']:,} interactions, sparsity {percent(numbers['sparsity'])}; "
        f"digest {sequences.digest}",
        f"{split.name}: {trained:,} interactions to train on, {len(split.valid.users):,} users to "
        f"validate on, {len(split.test.users):,} to test on",
    ]
    if split.users_not_evaluated:
        lines.append(f"{split.users_not_evaluated:,} users {split.not_evaluated}")
    return "\n".join(lines)


def render(spec: Spec, sequences: Sequences) -> str:
    """The card, in markdown; its configuration is a file that ``spec.read`` takes.

    Layout: RecBole, asset/hyper_tune_configs/sequential/amazon-books_seq.md.
    """
    numbers, k = sequences.statistics, spec.filters.k_core
    core = f"delete users and items with less than {k} interactions, until all have as many"
    counts = " | ".join(f"{numbers[name]:,}" for name in ("users", "items", "interactions"))
    title = spec.title.replace("|", "\\|")
    configuration = yaml.safe_dump(spec.as_dict(), sort_keys=False, allow_unicode=True, width=100)
    digest = f"`{sequences.digest}`, of the sequences as they are learned from"
    lines = [
        f"# {spec.title}",
        f"**Dataset:** {spec.name}",
        f"**Data filtering:** {_filtering(spec.filters)}",
        f"**K-core filtering:** {core if k > 1 else 'none'}",
        f"**Evaluation method:** {EVALUATION[spec.split]}",
        "**Evaluation metric:** Recall@10, NDCG@10, MRR@10, Hit@10, Precision@10",
        f"**Digest:** {digest}",
        "## Dataset Information",
        "| Dataset | #Users | #Items | #Interactions | Sparsity |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| {title} | {counts} | {percent(numbers['sparsity'])} |",
        f"**Configuration file ({spec.name}.yaml):**",
        f"```yaml\n{configuration}```",
    ]
    if spec.synthetic:
        lines.insert(1, "**Synthetic** data, generated: they say nothing about real users.")
    return "\n\n".join(lines) + "\n"


def percent(sparsity: float) -> str:
    """With two decimals, or as many more as keep what is not empty from being called 100%."""
    decimals = 2
    while sparsity < 1 and f"{sparsity:.{decimals}%}".startswith("100"):
        decimals += 1
    return f"{sparsity:.{decimals}%}"


def _filtering(filters: Filters) -> str:
    """In words, each interval's ends with what is deleted beyond them."""
    deleted = []
    for name in ("rating", "timestamp"):
        low, high = getattr(filters, name) or (-math.inf, math.inf)
        for end, beyond in ((low, "less"), (high, "more")):
            if math.isfinite(end):
                day = f" ({_day(end)})" if name == "timestamp" else ""
                deleted.append(f"{name} {beyond} than {end:.15g}{day}")
    return f"delete interactive records with {' or '.join(deleted)}" if deleted else "none"


def _day(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "no day of the calendar"
