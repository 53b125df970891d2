"""Runner of seqrec's BERT4Rec for bench/compare.py; peer_gate.py describes the protocol.

    python -m bench.seqrec_runner data.npz --seed 1 --threads 2

This program trains the trial of `mlflow run . -P dataset=NAME` with the same settings, until early
stopping ends it. What this trial does beside training steps counts as training time: it computes
the weights of SLIST before the first step, evaluates on validation after each epoch (which decides
when the learning rate falls), and chooses the weight of SLIST's scores at the end. From then on
"evaluate" is about the model that it returns.
"""

from collections.abc import Iterable, Iterator

import benchmark  # noqa: F401  (first: it sets how OpenMP waits, which torch reads when imported)

# isort: split
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from bench.peer_gate import Gate, arguments
from benchmark.measures.metrics import means
from benchmark.settings.settings import Settings
from benchmark.training.measurement import load_arrays
from benchmark.training.trainer import Trainer

T = TypeVar("T")


def main() -> None:
    args = arguments(__doc__, batch_size=None, learning_rate=None)
    gate = Gate(args.threads)
    sequences, split = load_arrays(Path(args.data))
    chosen = {"batch_size": args.batch_size, "learning_rate": args.learning_rate}
    settings = Settings.of(
        dataset=args.data,
        seed=args.seed,
        max_length=args.max_length,
        **{name: value for name, value in chosen.items() if value is not None},
    )

    def gated(steps: Iterable[T], *, total: int, desc: str, initial: int = 0) -> Iterator[T]:
        """In place of a progress bar: wait at the gate before each training step."""
        for step in steps:
            # Batches of an evaluation do not wait: the gate itself or the trial has requested them.
            # The first step has waited below.
            if desc.startswith("epoch") and trainer.step.number:
                gate.before_step()
            yield step

    trainer = Trainer(settings, sequences, split, gated)
    train_on = trainer.step.run

    def train_and_report(*batch: Any, **fallen: bool) -> Tensor:
        loss = train_on(*batch, **fallen)
        gate.add_loss(loss.item())
        return loss

    def evaluate() -> dict:
        parts = {"valid": trainer.split.valid, "test": trainer.split.test}
        if trainer.course.finished:
            ranks = trainer.final_ranks()
        else:
            trainer.step.averaging.catch_up()
            ranks = {part: trainer.ranks(targets) for part, targets in parts.items()}
        results = {}
        for part, targets in parts.items():
            quality = means(ranks[part], targets.queries)
            results[part] = {key: quality[key] for key in ("recall@10", "ndcg@10")}
        return results | {"users": split.test.n_users}

    trainer.step.run = train_and_report
    gate.open_for(
        evaluate,
        samples_per_epoch=trainer.batches.n_windows,
        batches_per_epoch=len(trainer.batches),
        parameters=sum(p.numel() for p in trainer.model.parameters()),
    )
    gate.before_step()  # before the trial counts SLIST's weights, which is a part of it
    for _ in trainer.epochs():
        pass
    gate.end()


if __name__ == "__main__":
    main()
