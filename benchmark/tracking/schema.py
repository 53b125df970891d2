"""Under which names a trial is stored.

params      every setting, under its name on the command line
metrics     per epoch (step = epoch): train/loss, valid/ndcg_at_10, ...
            at the end: best_valid/ndcg_at_10, test/ndcg_at_10, ...,
                best_epoch, last_epoch, trial_seconds, parameters, peak_memory_mb;
            of a sweep: sweep_seconds
tags        those below
artifacts   config.yaml, checkpoints/, ranks/
"""

CONFIG = "config.yaml"  # every setting, resolved, before the first step
CARD = "dataset.md"  # what the data are
LAST = "checkpoints/last/state-{slot}.safetensors"  # all that a trial needs to go on, and before
BEST = "checkpoints/best/model.safetensors"  # the weights that are evaluated
TRACEBACK = "traceback.txt"  # of a trial that failed
SWEEP_FILE = "sweep.yaml"  # what a sweep tries: its space and all that its trials share
RANKS = "ranks/{part}.parquet"  # rank of each user's target, for part in valid, test

EPOCH_LOGGED = "train_seconds"  # a metric that every epoch has, whatever is trained

DATA_DIGEST = "data_digest"  # trials are compared within one digest ...
PROTOCOL = "protocol"  # ... and within one protocol
COMMAND = "command"  # repeats the trial
COMMAND_LINE = "command_line"  # what was really typed
GIT_COMMIT = "git_commit"  # ends in + if files were changed since
HOST = "host"
DEVICE = "device"
DATASET_TITLE = "dataset_title"
MODEL_LINK = "model_link"  # the page that describes the model
DATASET_CARD = "dataset_card"  # the page that describes the data set
SYNTHETIC = "synthetic"  # true if the data are not real
FAILURE = "failure"  # why a trial did not finish
PRUNED = "pruned"  # why a trial of a sweep was not gone on with
STARTED = "started_run"  # in the run of `mlflow run`: the trial or sweep that it only started
REPORT = "report"  # of the run that holds an experiment's report

# A sweep is a run with the runs of its trials nested in it.
SWEEP = "sweep"  # its name, in all of them
HEARTBEAT = "heartbeat"  # in the sweep's: changes every few seconds while it is alive
NUMBER = "sweep_number"  # in a trial's: of its point, from 0
POINT = "sweep_point"  # in a trial's: what was searched, as JSON

# A published page is a sweep that was run elsewhere: nothing here has a data digest or a protocol.
PUBLISHED = "published"  # the page's file, in all of its runs
PAGE_DIGEST = "page_digest"  # SHA-256 of the file, in the page's own run
CONTRADICTIONS = "contradictions"  # what the page says twice and not the same, in its own run


def metric_key(part: str, name: str) -> str:
    """('test', 'ndcg@10') -> 'test/ndcg_at_10': MLflow forbids @ in the names of metrics."""
    return f"{part}/{name.replace('@', '_at_')}"
