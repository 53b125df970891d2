"""Writes the sequences that all runners read: an .npz with items and offsets.

    python -m bench.peer_data ml-100k ml-100k.npz --data-dir ../shared/data
    python -m bench.peer_data amazon-shape amazon-shape.npz --seed 1

User u owns items[offsets[u]:offsets[u + 1]], oldest first (both int64). The last item of a user is
for test, the one before it for validation, the rest for training; users with fewer than three are
trained on whole.
"""

import argparse

import numpy as np

from bench.amazon_shape import amazon_shape
from datasets import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="amazon-shape, or what datasets.load takes")
    parser.add_argument("output")
    parser.add_argument("--data-dir")
    parser.add_argument("--seed", type=int, default=1, help="of amazon-shape")
    args = parser.parse_args()
    if args.dataset == "amazon-shape":
        items, offsets = amazon_shape(args.seed)
    else:
        sequences = load(args.dataset, args.data_dir)[1]
        items, offsets = sequences.items.astype(np.int64), sequences.offsets
    np.savez(args.output, items=items, offsets=offsets)
    lengths = np.diff(offsets)
    print(
        f"{args.output}: {len(lengths):,} users, {len(np.unique(items)):,} items, "
        f"{len(items):,} interactions, {lengths.min()} to {lengths.max():,} per user, "
        f"half of the users have {int(np.median(lengths))} or fewer"
    )


if __name__ == "__main__":
    main()
