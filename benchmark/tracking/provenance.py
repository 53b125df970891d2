"""Where a result comes from: data, protocol, code, command and machine, as tags and an input."""

import json
import platform
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import torch

from benchmark.settings import Settings
from benchmark.tracking import schema
from benchmark.training.evaluation import protocol
from datasets import Sequences, Spec
from models import MODELS


def tags(settings: Settings, spec: Spec, sequences: Sequences) -> dict[str, str]:
    """The tags of ``schema`` for a trial that is started now, by this process."""
    return {
        schema.DATA_DIGEST: sequences.digest,
        schema.PROTOCOL: f"{spec.split_of(sequences).name}; {protocol(settings.history)}",
        schema.COMMAND: settings.command(),
        schema.COMMAND_LINE: shlex.join([Path(sys.executable).name, *sys.orig_argv[1:]]),
        schema.GIT_COMMIT: _git_commit(),
        schema.MODEL_LINK: getattr(MODELS[settings.model], "link", ""),
        schema.DATASET_TITLE: spec.title,
        schema.DATASET_CARD: spec.card or "",
        schema.SYNTHETIC: str(spec.synthetic is not None).lower(),
    }


def machine(device: torch.device) -> dict[str, str]:
    """The tags for a trial that trains in this process."""
    return {schema.HOST: socket.gethostname(), schema.DEVICE: _device_name(device)}


def data(spec: Spec, sequences: Sequences) -> dict[str, str]:
    """What `mlflow.log_input` would log: an mlflow Dataset's fields, the statistics as profile."""
    sources = [source.url or source.file for source in spec.sources]
    not_evaluated = spec.split_of(sequences).users_not_evaluated
    return {
        "name": spec.name,
        "digest": sequences.digest,
        "source_type": "code" if spec.synthetic else "http",
        "source": json.dumps({"url": sources}),
        "profile": json.dumps(sequences.statistics | {"users_not_evaluated": not_evaluated}),
    }


def _git_commit() -> str:
    """The commit of the code, with + if files were changed since; empty outside a checkout."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("+" if commit and git("status", "--porcelain", "-uno") else "")
    except OSError:  # no git on this machine
        return ""


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}), threads: {torch.get_num_threads()}"
