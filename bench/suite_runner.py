"""This suite's BERT4Rec, on command (see peer_gate.py).

    python -m bench.suite_runner data.npz --seed 1 --threads 2

Batch size and learning rate are its recipe's, as the peers' are their defaults.
"""

from itertools import count

import benchmark  # noqa: F401  (before torch: it sets how OpenMP waits)

# isort: split
from bench.peer_gate import Gate, arguments
from benchmark.metrics import means
from benchmark.settings import Settings
from benchmark.speed import read
from benchmark.training.trainer import Trainer


def main() -> None:
    args = arguments(__doc__, batch_size=Settings.batch_size, learning_rate=Settings.learning_rate)
    gate = Gate(args.threads)
    sequences, split = read(args.data)
    settings = Settings.of(
        dataset=args.data,
        seed=args.seed,
        batch_size=args.batch_size,
        max_length=args.max_length,
        learning_rate=args.learning_rate,
    )

    def gated(batches, *, desc, **_):
        for batch in batches:
            if desc.startswith("epoch"):  # and not a ranking, which the gate asks for itself
                gate.before_step()
            yield batch

    trainer = Trainer(settings, sequences, split, gated)
    step = trainer._step

    def step_and_tell(batch):
        loss = step(batch)
        gate.add_loss(loss.item())
        return loss

    def evaluate() -> dict:
        results = {}
        for name in ("valid", "test"):
            quality = means(trainer.ranks(getattr(split, name)))
            results[name] = {key: quality[key] for key in ("recall@10", "ndcg@10")}
        return results | {"users": len(split.test.users)}

    trainer._step = step_and_tell
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
