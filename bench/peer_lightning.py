"""The gate of peer_gate.py as a callback of Lightning's training loop.

Lightning has two packages, lightning and pytorch_lightning, each with a Callback class of its own,
so that a runner derives its callback from this class and from the Callback of its library.
"""

from collections.abc import Callable

from peer_gate import Gate

UNENDING = {
    "max_epochs": -1,
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
"""Arguments of Lightning's Trainer: the driver decides when training ends, and nothing is saved."""


class LightningGate:
    """Makes the training loop wait at the gate before each step."""

    def __init__(self, gate: Gate, evaluate: Callable[[], dict]):
        self.gate = gate
        self.evaluate = evaluate

    def on_train_start(self, trainer, module) -> None:
        self.gate.open_for(
            self.evaluate,
            samples_per_epoch=len(trainer.train_dataloader.dataset),
            batches_per_epoch=trainer.num_training_batches,
            parameters=sum(p.numel() for p in module.parameters()),
        )

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        # Lightning loads the next batch before it calls this hook. The measured time of N steps
        # still includes loading N batches.
        self.gate.before_step()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        self.gate.add_loss(outputs["loss"].item())
