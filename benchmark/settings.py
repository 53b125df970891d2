"""Every setting of a trial: its name on the command line, in MLflow and in the code is one."""

from dataclasses import asdict, dataclass, field, fields

from models import MODELS


def _setting(default, help: str, **limits):
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Settings:
    """What decides a trial's result.

    Size (hidden 64, 2 layers, 2 heads, inner 256), dropout, mask ratio, length, epochs and
    patience are by default those of RecBole's published BERT4Rec.
    """

    dataset: str = _setting("amazon-books", "A name in datasets/, or the path of a YAML file.")
    model: str = _setting("BERT4Rec", "A name in models/.", choices=tuple(MODELS))
    learning_rate: float = _setting(0.001, "Step size of Adam.", above=0)
    seed: int = _setting(1, "Seed of every random number.", at_least=0)
    epochs: int = _setting(500, "At most so many passes over the data.", at_least=1)
    batch_size: int = _setting(128, "Training sequences per step.", at_least=1)
    max_length: int = _setting(50, "Longest sequence the model sees.", at_least=2)
    hidden_size: int = _setting(64, "Width of the model.", at_least=1)
    layers: int = _setting(2, "Transformer layers.", at_least=1)
    heads: int = _setting(2, "Attention heads.", at_least=1)
    inner_size: int = _setting(256, "Width of the feed-forward layers.", at_least=1)
    dropout: float = _setting(0.2, "Probability of dropping a value.", at_least=0, below=1)
    mask_ratio: float = _setting(0.2, "Share of items masked in training.", above=0, below=1)
    ema_decay: float = _setting(
        0.999,
        "Of the running mean of the weights, which is what is evaluated.",
        at_least=0,
        below=1,
    )
    patience: int = _setting(10, "Stop after so many epochs without better ndcg@10.", at_least=1)
    precision: str = _setting("fp32", "Of training; ranking is fp32.", choices=("fp32", "bf16"))
    device: str = _setting("auto", "cpu, cuda, cuda:1, ...; auto: CUDA where there is one.")

    def __post_init__(self):
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} cannot be divided among {self.heads} heads"
            )

    def as_dict(self) -> dict[str, str | int | float]:
        return asdict(self)

    def command(self) -> str:
        """The command that repeats this trial: every setting that is not at its default."""
        always = ("dataset", "learning_rate")
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        defaults = {f.name: f.default for f in fields(self) if f.name not in always}
        given = [f"-P {k}={v}" for k, v in values.items() if v != defaults.get(k)]
        return " ".join(["mlflow run .", *given])
