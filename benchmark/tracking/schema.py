"""Under which names a trial is stored.

params      every setting, under its name on the command line
metrics     per epoch (step = epoch): train/loss, valid/ndcg_at_10, ...
            at the end: best_valid/ndcg_at_10, test/ndcg_at_10, ...,
                best_epoch, last_epoch, trial_seconds
tags        those below
artifacts   config.yaml, checkpoints/, ranks/
"""

CONFIG = "config.yaml"  # every setting, resolved, before the first step
LAST = "checkpoints/last/state.safetensors"  # all that a trial needs to go on
BEST = "checkpoints/best/model.safetensors"  # the weights that are evaluated
RANKS = "ranks/{part}.parquet"  # rank of each user's target, for part in valid, test

DATA_DIGEST = "data_digest"  # trials are compared within one digest ...
PROTOCOL = "protocol"  # ... and within one protocol
COMMAND = "command"  # repeats the trial
COMMAND_LINE = "command_line"  # what was really typed
GIT_COMMIT = "git_commit"  # ends in + if files were changed since
HOST = "host"
DEVICE = "device"
DATASET_TITLE = "dataset_title"
DATASET_CARD = "dataset_card"  # the page that describes the data set
SYNTHETIC = "synthetic"  # true if the data are not real
FAILURE = "failure"  # why a trial did not finish


def metric_key(part: str, name: str) -> str:
    """('test', 'ndcg@10') -> 'test/ndcg_at_10': MLflow forbids @ in the names of metrics."""
    return f"{part}/{name.replace('@', '_at_')}"
