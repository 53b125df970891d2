"""Write the sequences that all runners of bench/compare.py read.

    python -m bench.peer_data ml-100k ml-100k.npz --data-dir ../shared/data
    python -m bench.peer_data amazon-shape amazon-shape.npz --seed 1

The .npz file has two int64 arrays, items and offsets. User u has the items
items[offsets[u]:offsets[u + 1]], oldest first. The runners split leave-one-out: the last item of a
user is the test target, the one before it the validation target, and the others are for training.
All items of a user with fewer than three are for training.
"""

import argparse

import numpy as np

from bench.amazon_shape import amazon_shape
from datasets.prepare import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "dataset", help="amazon-shape (synthetic), a name in datasets/, or a YAML file"
    )
    parser.add_argument("output", help=".npz file to write")
    parser.add_argument("--data-dir", help="folder of the raw data")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of amazon-shape; default: %(default)s"
    )
    args = parser.parse_args()
    if args.dataset == "amazon-shape":
        items, offsets = amazon_shape(args.seed)
    else:
        _, sequences = load(args.dataset, args.data_dir)
        items = sequences.items.astype(np.int64)
        offsets = sequences.offsets
    np.savez(args.output, items=items, offsets=offsets)
    lengths = np.diff(offsets)
    print(
        f"{args.output}: {len(lengths):,} users, {len(np.unique(items)):,} items, "
        f"{len(items):,} interactions; {lengths.min()} to {lengths.max():,} interactions per user, "
        f"median {int(np.median(lengths))}"
    )


if __name__ == "__main__":
    main()
