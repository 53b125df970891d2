"""Where a result comes from: data, protocol, code and command, as tags."""

import os
import shlex
import sys
from pathlib import Path

from benchmark import installation
from benchmark.data import Data
from benchmark.settings.settings import Settings
from benchmark.tracking import schema
from datasets.errors import masked
from datasets.source import FOLDER_VARIABLE
from models import MODELS


def tags(settings: Settings, data: Data, protocol: str) -> dict[str, str]:
    """The tags of ``schema`` for a trial that this process starts now."""
    folder = data.folder or os.environ.get(FOLDER_VARIABLE)
    return result_tags(data, protocol) | {
        schema.COMMAND: settings.command(None if data.spec.synthetic else folder),
        schema.MODEL_LINK: MODELS[settings.model].link,
    }


def result_tags(data: Data, protocol: str) -> dict[str, str]:
    """The tags of ``schema`` for any result that this process logs, whoever trained its model."""
    return {
        schema.DATA_DIGEST: data.sequences.digest,
        schema.PROTOCOL: protocol,
        schema.COMMAND_LINE: masked(shlex.join(command_line())),
        schema.GIT_COMMIT: installation.commit(),
        schema.DATASET_TITLE: data.spec.title,
        schema.DATASET_CARD: data.spec.card or "",
        schema.SYNTHETIC: str(data.spec.synthetic is not None).lower(),
    }


def command_line() -> list[str]:
    """The words of the command that started this process."""
    words = sys.orig_argv[1:]
    if installation.INSTALLED and words and Path(words[0]).name == installation.PACKAGE:
        return [installation.PACKAGE, *words[1:]]  # Python runs the console command by its path
    return [Path(sys.executable).name, *words]
