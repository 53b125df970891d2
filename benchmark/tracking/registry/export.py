"""A trial's best weights as a folder that MLflow can serve without this repository.

    MLmodel  recommender.py  code/seqrec_.../   the code that runs, its signature and settings
    artifacts/weights.safetensors               the trial's best checkpoint, unchanged
    artifacts/items.json                        raw item ids, in the order of their codes
    artifacts/titles.json                       titles by raw item id, if the data set has any
    requirements.txt  python_env.yaml           the packages that the code needs
    report.md                                   the report that ranked the trial first

Nothing in it is a pickle.
"""

import json
import shutil
import tempfile
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType, Array

import models
from benchmark.installation import ROOT
from benchmark.renaming import renamed
from benchmark.settings.settings import Settings
from benchmark.tracking.registry.code import code_of
from benchmark.tracking.registry.quiet import quiet
from benchmark.training import checkpoint
from datasets.errors import one_line

RECOMMENDER = Path(__file__).with_name("recommender.py")
# mlflow-skinny suffices to run a model and has mlflow's version. numpy and pandas: its data.
PACKAGES = ("mlflow-skinny", "numpy", "pandas", "safetensors", "torch")
# Any: lists of text or of numbers, which the model checks faster than MLflow.
INPUTS = Schema([ColSpec(AnyType(), "history"), ColSpec(AnyType(), "times", required=False)])
OUTPUTS = [
    ColSpec(Array("string"), "items"),
    ColSpec(Array("double"), "scores"),
    ColSpec("long", "unknown"),
]
TITLES = ColSpec(Array("string"), "titles")


def _params(settings: Settings) -> ParamSchema:
    """A champion answers as it was evaluated, unless a request says otherwise."""
    seen = ParamSpec("exclude_seen", "boolean", settings.masks_history)
    return ParamSchema([ParamSpec("k", "long", 10), seen])


def export(
    folder: Path,
    model: Model,
    settings: Settings,
    weights: Path,
    item_ids: list[str],
    titles: dict[str, str] | None = None,
) -> None:
    """Write the model into a new folder. ``model`` names its run and its id; ``titles`` are those
    of the items that have one, by raw id.

    Raises CheckpointError if the weights are damaged, or of another version of seqrec: the code
    beside them would be this version's. Raises MlflowException if MLflow refuses.
    """
    own = {name: settings.value(name) for name in sorted(models.own_settings(settings.model))}
    tensors, _ = checkpoint.load(weights)
    try:
        models.build(settings.model, len(item_ids), own).load_state_dict(tensors)
    except (RuntimeError, ValueError) as error:
        reason = one_line(error)
        raise checkpoint.CheckpointError(
            f"its weights do not fit {settings.model_name} in this version of seqrec: {reason}"
        ) from None
    with tempfile.TemporaryDirectory() as temporary, quiet():
        code = code_of(settings.model)
        artifacts = {
            "weights": str(shutil.copyfile(weights, Path(temporary, "weights.safetensors"))),
            "items": _written(Path(temporary, "items.json"), item_ids),
        }
        if titles:
            artifacts["titles"] = _written(Path(temporary, "titles.json"), titles)
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(RECOMMENDER),
            model_config={"model": code.model, "settings": own},
            artifacts=artifacts,
            code_paths=[str(code.write(Path(temporary)))],
            signature=ModelSignature(
                INPUTS, Schema([*OUTPUTS, *([TITLES] if titles else [])]), _params(settings)
            ),
            metadata={"history": settings.history},
            input_example=(pd.DataFrame({"history": [item_ids[:3]]}), {"k": 3}),
            pip_requirements=_requirements(),
            mlflow_model=model,
        )
        # MLflow has run the file; from now on it runs beside the copy of the code.
        recommender = renamed(RECOMMENDER.read_text(encoding="utf-8"), code.names)
        Path(folder, RECOMMENDER.name).write_text(recommender, encoding="utf-8")


def _written(path: Path, content: list[str] | dict[str, str]) -> str:
    """The path of the JSON file, as MLflow takes it."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=0), encoding="utf-8")
    return str(path)


def _requirements() -> list[str]:
    """The versions that requirements.txt pins."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    versions = dict(line.split("==") for line in lines if "==" in line)
    return [f"{name}=={versions[name.removesuffix('-skinny')]}" for name in PACKAGES]
