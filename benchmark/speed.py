"""Measure how fast a trial trains and ranks here, against the peak rate of this machine.

python -m benchmark.speed --dataset ml-1m --data-dir ../shared/data
python -m benchmark.speed --dataset amazon-shape.npz --steps 50 --json speed.json

--dataset is the name of a data set, a YAML file, or an .npz file of items and offsets
(bench/peer_data.py writes one).
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import click

from benchmark import cli, options
from benchmark.errors import UserError
from benchmark.settings.declaration import LARGEST_COUNT, Value
from benchmark.settings.settings import Settings

if TYPE_CHECKING:
    import torch

    from benchmark.training.measurement import Measurement
    from datasets.sequences import Sequences
    from datasets.splitting.targets import Split


@click.command(cls=options.TrialCommand, context_settings=cli.CONTEXT)
@cli.data_dir_option
@click.option(
    "--steps",
    type=click.IntRange(1, LARGEST_COUNT),
    default=60,
    show_default=True,
    help="Training steps to time.",
)
@click.option(
    "--json",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to which the figures are written as JSON, too.",
)
@options.setting_options()
@click.pass_context
def speed(
    context: click.Context,
    data_dir: str | None,
    steps: int,
    path: Path | None,
    **values: Value,
) -> None:
    """Measure the rates of training and ranking, and where the time of a training step goes."""
    # Torch and pandas load for seconds, which --help need not wait for.
    from benchmark.recbole import config as recbole
    from benchmark.training.measurement import measure
    from benchmark.training.trainer import Trainer

    given = options.given(context, values)
    settings = options.resolve(recbole.read(given), given)
    trainer = Trainer(settings, *_data(settings, data_dir))
    if not trainer.learns:
        raise click.UsageError(
            f"{settings.model_name} is counted in one pass: it has no training steps to time"
        )
    measured = measure(trainer, steps)
    machine = _machine(trainer.device)
    figures = {name: f"{value:,.4g}" for name, value in measured.figures.items()}
    for name, value in (machine | {"command": settings.command()} | figures).items():
        click.echo(f"{name:<36}{value}")
    for table in (measured.stages, measured.operations):
        click.echo("\n" + table.round(3).to_string(index=False))
    if path:
        _write(path, machine, settings, measured)


def _data(settings: Settings, data_dir: str | None) -> tuple[Sequences, Split]:
    from benchmark.training.measurement import load_arrays  # late, as in ``speed``
    from datasets.prepare import load

    if settings.dataset.endswith(".npz"):
        try:
            return load_arrays(Path(settings.dataset))
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise UserError(
                f"{settings.dataset}: not an .npz file of items and offsets: {error}"
            ) from None
    spec, sequences = load(settings.dataset, data_dir, settings.recbole_config)
    return sequences, spec.split_of(sequences)


def _machine(device: torch.device) -> dict[str, str | int]:
    import torch  # late, as in ``speed``

    cuda = device.type == "cuda"
    processor = f"{platform.machine()}, {os.cpu_count()} cores"
    return {
        "device": str(device),
        "processor": torch.cuda.get_device_name(device) if cuda else processor,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _write(
    path: Path, machine: dict[str, str | int], settings: Settings, measured: Measurement
) -> None:
    record = {
        "machine": machine,
        "settings": settings.as_dict(),
        "figures": measured.figures,
        "stages": measured.stages.to_dict("records"),
        "operations": measured.operations.to_dict("records"),
    }
    try:
        path.write_text(json.dumps(record, indent=1), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    cli.run(speed)
