"""Runner of WarpRec's BERT4Rec for bench/compare.py; peer_gate.py describes the protocol.

    .peers/warprec/bin/python bench/warprec_runner.py data.npz --seed 1 --threads 2

The model has the size of the other runners' models: width 64, inner size 256, 2 layers, 2 attention
heads. WarpRec has no defaults: its user writes every setting into a configuration file. All other
settings are those of the example of BERT4Rec in WarpRec's documentation: dropout 0.1, mask ratio
0.2, a pairwise loss (BPR) with one negative item for each target, Adam, batches of 2,048 users.

The training loop is Lightning's, with the arguments that WarpRec gives it. In WarpRec, Ray starts
this loop, for one trial of a search; Lightning then evaluates and saves after each epoch. Here the
loop has no Ray, and the driver decides when to evaluate. By WarpRec's rule, max(1, threads - 1)
processes prepare batches, two in advance, also while the runner waits. The runner's memory and CPU
seconds leave these processes out.
"""

from dataclasses import dataclass

import lightning
import narwhals
import numpy as np
import pandas as pd
import torch
from peer_gate import Gate, arguments, sequences
from peer_lightning import UNENDING, LightningGate
from peer_split import K, Split, quality
from scipy.sparse import csr_matrix
from warprec.data import Dataset
from warprec.data.entities import Sessions
from warprec.data.ranking import SeenItems
from warprec.recommenders.sequential_recommender import BERT4Rec
from warprec.utils.helpers import resolve_num_workers

DOCUMENTED = {
    "dropout_prob": 0.1,
    "attn_dropout_prob": 0.1,
    "mask_prob": 0.2,
    "reg_weight": 0.001,
    "weight_decay": 0.0001,
    "neg_samples": 1,
    "epochs": 200,  # not used: the driver decides when training stops
}
USERS_AT_ONCE = 1024  # in evaluation, as in WarpRec
TIME = "timestamp"


class GateCallback(LightningGate, lightning.Callback):
    """The gate as a callback of the package lightning."""


@dataclass
class Known:
    """What is known when a part is evaluated: histories, without items unknown in training."""

    histories: Sessions
    seen: SeenItems

    @classmethod
    def of(cls, histories: Sessions, training: Dataset) -> "Known":
        pairs = (histories._flat_users, histories._flat_items)
        seen = csr_matrix((np.ones(len(pairs[0])), pairs), shape=training.get_dims())
        return cls(histories, SeenItems(seen))


def prepare(split: Split) -> tuple[Dataset, dict[str, Known]]:
    """WarpRec's training data, and the users' histories: those of valid and those of test."""
    interactions = pd.DataFrame(
        {"user_id": split.users, "item_id": split.items, TIME: split.positions}
    )
    training = Dataset(interactions[split.known["valid"]], timestamp_label=TIME)
    with_valid = Sessions(
        narwhals.from_native(interactions[split.known["test"]], eager_only=True),
        *training.get_mappings(),
        training.train_set.get_sparse(),
        timestamp_label=TIME,
    )
    parts = {"valid": training.train_session, "test": with_valid}
    return training, {part: Known.of(sessions, training) for part, sessions in parts.items()}


def evaluate(model: BERT4Rec, split: Split, training: Dataset, known: dict[str, Known]) -> dict:
    """Recall and ndcg at K on validation and test; "masked": with no item of the history ranked.

    Candidates are all items of the training data, those of the user's history included. WarpRec's
    own evaluator leaves these out, which suits its loss: the negatives are items that the user does
    not have, so that the model learns to place those of the history first. A target that does not
    occur in the training data counts as a miss.
    """
    user_numbers, item_numbers = training.get_mappings()
    users = torch.tensor([user_numbers[user] for user in split.evaluated.tolist()])
    model.eval()
    results: dict = {"users": len(users), "masked": {}}
    for part, targets in split.targets.items():
        wanted = torch.tensor([item_numbers.get(item, -1) for item in targets.tolist()])
        ranked, masked = [], []
        for some, target in zip(
            users.split(USERS_AT_ONCE), wanted.split(USERS_AT_ONCE), strict=True
        ):
            batch = known[part].histories.get_user_history_sequences(
                some.tolist(), model.max_seq_len
            )
            with torch.inference_mode():
                scores = model.predict(*batch)
                ranked.append(ranks_of(target, scores))
                known[part].seen.mask(scores, some)
                masked.append(ranks_of(target, scores))
        results[part] = quality(torch.cat(ranked).numpy(), len(targets))
        results["masked"][part] = quality(torch.cat(masked).numpy(), len(targets))
    model.train()
    return results


def ranks_of(targets: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """From 1, of the ``targets`` [users] among the best K items by ``scores`` [users, items]."""
    return (scores.topk(K).indices == targets[:, None]).nonzero()[:, 1] + 1


def main() -> None:
    args = arguments(__doc__, batch_size=2048)
    gate = Gate(args.threads)
    split = Split(*sequences(args.data))
    training, known = prepare(split)
    size = {"embedding_size": 64, "inner_size": 256, "n_layers": 2, "n_heads": 2}
    given = {
        "max_seq_len": args.max_length,
        "batch_size": args.batch_size,
        "learning_rate": args.learning_rate,
    }
    model = BERT4Rec(size | given | DOCUMENTED, training.info(), seed=args.seed)
    batches = model.get_dataloader(
        interactions=training.train_set,
        sessions=training.train_session,
        num_workers=resolve_num_workers(None, args.threads),
        persistent_workers=True,
        seed=args.seed,
    )
    trainer = lightning.Trainer(
        **UNENDING,
        callbacks=[GateCallback(gate, lambda: evaluate(model, split, training, known))],
    )
    trainer.fit(model, train_dataloaders=batches)


if __name__ == "__main__":
    main()
