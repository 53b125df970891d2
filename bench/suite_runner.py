"""Runner of this suite's BERT4Rec for bench/compare.py; peer_gate.py describes the protocol.

    python -m bench.suite_runner data.npz --seed 1 --threads 2

The defaults of the options and all other settings are the defaults of this suite.
"""

from collections.abc import Iterable, Iterator
from itertools import count

import benchmark  # noqa: F401  (first: it sets how OpenMP waits, which torch reads when imported)

# isort: split
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from bench.peer_gate import Gate, arguments
from benchmark.metrics import means
from benchmark.settings import Settings
from benchmark.training.measurement import load_arrays
from benchmark.training.trainer import Trainer

T = TypeVar("T")


def main() -> None:
    args = arguments(__doc__, batch_size=Settings.batch_size, learning_rate=Settings.learning_rate)
    gate = Gate(args.threads)
    sequences, split = load_arrays(Path(args.data))
    settings = Settings.of(
        dataset=args.data,
        seed=args.seed,
        batch_size=args.batch_size,
        max_length=args.max_length,
        learning_rate=args.learning_rate,
    )

    def gated(steps: Iterable[T], *, total: int, desc: str, initial: int = 0) -> Iterator[T]:
        """In place of a progress bar: wait at the gate before each training step."""
        for step in steps:
            # Batches of an evaluation do not wait: the gate itself has requested them.
            if desc.startswith("epoch"):
                gate.before_step()
            yield step

    trainer = Trainer(settings, sequences, split, gated)
    train_on = trainer._step

    def train_and_report(batch: Tensor) -> Tensor:
        loss = train_on(batch)
        gate.add_loss(loss.item())
        return loss

    def evaluate() -> dict:
        results = {}
        for name in ("valid", "test"):
            targets = getattr(split, name)
            quality = means(trainer.ranks(targets), targets.queries)
            results[name] = {key: quality[key] for key in ("recall@10", "ndcg@10")}
        return results | {"users": split.test.n_users}

    trainer._step = train_and_report
    gate.open_for(
        evaluate,
        samples_per_epoch=trainer.batches.n_windows,
        batches_per_epoch=len(trainer.batches),
        parameters=sum(p.numel() for p in trainer.model.parameters()),
    )
    for trainer.epoch in count():
        trainer.begin_epoch()
        trainer.train_epoch()


if __name__ == "__main__":
    main()
