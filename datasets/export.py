"""Write the split of a data set for other libraries, so that they train and rank on the same.

python -m datasets.export ml-1m --to csv
python -m datasets.export ml-1m --to recbole --max-length 200
python -m datasets.export mine.yaml --to rectools --output exported
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from datasets import files, options
from datasets.card import Card
from datasets.errors import DataError
from datasets.export_formats import FORMATS, Export
from datasets.prepare import load
from datasets.sequences import Sequences
from datasets.specs.spec import Spec
from datasets.splitting.targets import Split

SPLIT_FILE = "exported.json"
"""Says of which data and which split the files beside it are."""


def export(
    spec: Spec, sequences: Sequences, to: str, output: Path, max_length: int = 50
) -> tuple[Path, dict[str, str | int]]:
    """Write the split to the folder OUTPUT/NAME/FORMAT; the folder, and the content of SPLIT_FILE.

    ``to`` is a key of FORMATS. Raises DataError if the format cannot hold the ids, OSError if a
    file cannot be written: an earlier export is then as it was. SPLIT_FILE is written last, and
    none is beside files of two exports.
    """
    split = spec.split_of(sequences)
    folder = output / spec.name / to
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".export-") as place:
        written = Path(place, to)  # RecBole's files are called like their folder
        FORMATS[to](Export(sequences, split, max_length), written)
        folder.mkdir(exist_ok=True)
        (folder / SPLIT_FILE).unlink(missing_ok=True)
        for path in written.iterdir():
            path.replace(folder / path.name)
    content = identity(sequences, split) | {
        "dataset": spec.name,
        "users": sequences.n_users,
        "items": sequences.n_items,
        "training_interactions": int((split.train_ends - split.train_starts).sum()),
        "valid_targets": len(split.valid.positions),
        "valid_queries": int(split.valid.queries[-1]) + 1,
        "test_targets": len(split.test.positions),
        "test_queries": int(split.test.queries[-1]) + 1,
    }
    files.write(folder / SPLIT_FILE, json.dumps(content, indent=1) + "\n")
    return folder, content


def identity(sequences: Sequences, split: Split) -> dict[str, str | int]:
    """What two copies of a split have in common, and two different splits do not."""
    return {"data_digest": sequences.digest, "split": split.name}


def check(folder: Path, sequences: Sequences, split: Split) -> None:
    """Raise DataError unless the files in the folder are of this split."""
    path = folder / SPLIT_FILE
    try:
        content = json.loads(path.read_text("utf-8"))
        theirs = {name: content[name] for name in ("data_digest", "split")}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: it is no file of datasets.export") from None
    for name, ours in identity(sequences, split).items():
        if theirs[name] != ours:
            raise DataError(
                f"{path}: the files are of another split: their {name} is {theirs[name]}, the data "
                f"set's is {ours}: export the split again"
            )


@click.command()
@click.argument("dataset")
@click.option("--to", required=True, type=click.Choice(list(FORMATS)), help="Format of the files.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="exported",
    show_default=True,
    help="Folder; the files are in DIRECTORY/DATASET/FORMAT.",
)
@click.option(
    "--max-length",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="Number of latest items in each list of RecBole's files.",
)
@options.data_dir
@options.recbole_config
def command(
    dataset: str, to: str, output: Path, max_length: int, data_dir: str | None, recbole_config: str
) -> None:
    """Write training interactions, and the history of each target, with raw ids.

    DATASET is the name of a data set in datasets/, or the path of a YAML file. `python -m
    benchmark.score` ranks what another library recommends for these histories.
    """
    try:
        spec, sequences = load(dataset, data_dir, recbole_config)
        click.echo(Card(spec, sequences, spec.split_of(sequences)).summary())
        folder, content = export(spec, sequences, to, output, max_length)
    except DataError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{output}: cannot be written: {error.strerror}") from None
    click.echo(
        f"exported to {folder}: {content['training_interactions']:,} interactions "
        f"for training, {content['valid_queries']:,} and {content['test_queries']:,} "
        "histories for validation and test"
    )


if __name__ == "__main__":
    command()
