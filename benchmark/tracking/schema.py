"""The names under which a trial is stored. They are public: anyone may log runs that the report
can rank.

params      every setting, under its name on the command line; model_version, linear_version,
            model_source: where the same settings give other results, trials are not pooled
metrics     of each epoch (step = epoch): train/loss, valid/ndcg_at_10, ...
            of a counted model that tries several values: tried/decay, ...
            of values that are tried after training: tried/weight, ..., tried/ndcg_at_10, ...
            at the end (step 0): best_valid/ndcg_at_10, test/ndcg_at_10, ..., best_tried/decay, ...,
                best_epoch, last_epoch, trial_seconds, parameters, peak_memory_mb; energy_kwh
                where the machine counts it
            of each sample (step = its number), if they are asked for: MLflow's system/...
            of a sweep: sweep_seconds
            of a sweep or comparison (step 0), of its best point so far, as means over its seeds:
                best_valid/ndcg_at_10, ..., test/ndcg_at_10, ...
tags        the constants below
model       of a finished trial, in MLflow's list of models: step (best_epoch), params, and the
            metrics at the end, with the data set (validation or test) that they were measured on
data sets   training, validation and test, with their contexts
artifacts   config.yaml, dataset.md, checkpoints/, ranks/, lists/; model_source/
            of a sweep: sweep.yaml; of a suite: suite.yaml, outcome.json

Tags that decide what a run is (a report, a sweep, a figure of a page) have the prefix `seqrec.`, so
that no tag of a user is taken for one of them. Tags that describe a trial have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from benchmark.measures.metrics import FOLLOWING

if TYPE_CHECKING:  # MLflow loads slowly
    from mlflow.entities import Run

CONFIG = "config.yaml"  # every setting, resolved, before the first step
SOURCE = "model_source"  # the folder with the source of a model outside this repository
CARD = "dataset.md"  # the card of the data set
LAST = "checkpoints/last/state-{slot}.safetensors"  # the state to resume from; two slots, 0 and 1;
# deleted when the trial has finished
BEST = "checkpoints/best/model.safetensors"  # the weights that are evaluated
TRACEBACK = "traceback.txt"  # of a trial that failed
SUITE_FILE = "suite.yaml"  # the file of a suite, in its run
OUTCOME = "outcome.json"  # what came of each data set and model of a suite
SWEEP_FILE = "sweep.yaml"  # the search space of a sweep, and the settings that its trials share
RANKS = "ranks/{part}.parquet"  # the rank of each target; part is valid or test
LISTS = "lists/{part}.parquet"  # the best items of each query; part is test

WHOLE_TRIAL = 0  # the step of the metrics of a whole trial: MLflow draws a metric as a bar if its
# only step is 0, and else as a line
LONGEST = 5000  # characters that every store takes as a tag
BEST_TRIED = "best_tried/"  # what the best model uses, of the values that were tried
ENERGY = "energy_kwh"  # of all processors, their memory and the GPU of the machine, as counted
EPOCH_LOGGED = "train_seconds"  # the metric that every epoch has, whatever the model

DATA_DIGEST = "data_digest"  # trials are compared within one digest ...
PROTOCOL = "protocol"  # ... and within one protocol
COMMAND = "command"  # the command that repeats the trial
COMMAND_LINE = "command_line"  # the command that was typed
GIT_COMMIT = "git_commit"  # ends in + if files had changed since the commit
HOST = "host"
DEVICE = "device"
ENERGY_SOURCE = "energy_source"  # what counted energy_kwh: rapl, nvml or rapl+nvml
DATASET_TITLE = "dataset_title"
MODEL_LINK = "model_link"  # the page that describes the model
DATASET_CARD = "dataset_card"  # the page that describes the data set
SYNTHETIC = "synthetic"  # "true" if the data are not real
FAILURE = "failure"  # why a trial did not finish
PRUNED = "pruned"  # when a pruner stopped the trial
STARTED = "started_run"  # in the run of `mlflow run`: the run of the trial or sweep it started
NOTE = "seqrec.note"  # 16 digits of the SHA-256 of the description by seqrec
WEIGHTS = "seqrec.weights"  # in the model of a trial, in MLflow's list of models: its best weights
REPORT = "seqrec.report"  # in the run that holds an experiment's report

COMPARISON = "seqrec.comparison"  # in the run that sums up a comparison of models: its name
SUITE = "seqrec.suite"  # in the run that describes a suite of data sets and models: its name

OWNER = "seqrec.owner"  # the process that writes to the run: HOST:FOLDER and a random word

ENDED = ("FINISHED", "FAILED")  # the statuses that are final; a KILLED run can be resumed

# A sweep is a run with the runs of its trials nested in it.
SWEEP = "sweep"  # the sweep's name, in all of these runs
HEARTBEAT = "seqrec.heartbeat"
# in the sweep's run: changes every two seconds while a process works on the sweep
BEST_POINT = "best/"  # prefix, in the sweep's run: the best point so far, a tag for each searched
# setting, with its seeds and the run id of its first trial
NUMBER = "sweep_number"  # in a trial's run: the number of its point, from 0
POINT = "sweep_point"  # in a trial's run: the searched settings, as JSON

# A published page is a sweep that ran elsewhere. It has no data digest and no protocol.
PUBLISHED = "seqrec.published"  # the file of the page, in all of its runs
TURN = "seqrec.turn"  # in the page's own run: when its process was ready to log it
PAGE_DIGEST = "page_digest"  # SHA-256 of the file, in the page's own run
CONTRADICTIONS = "contradictions"  # where the page contradicts itself, in the page's own run

# Another library's result, which was scored from a file: seqrec trained nothing.
SCORED = "seqrec.scored"  # the name of the file with the test ranking
SCORED_DIGEST = "scored_digest"  # its SHA-256
UNTIL = "seqrec.ranks_until"  # the last rank that its lists know; absent if they know all

# A trial has a result if all of these are known for best_valid and for test. Where each query has
# one target, hit@10 and precision@10 need not be logged: they follow from recall@10, and a reader
# computes them if both are missing. The list does not grow with the metrics that seqrec
# computes: stored results stay results. A scored result may lack those of best_valid: a report
# shows it, and chooses nothing by it. The order is that of published pages.
RESULT_METRICS = ("recall@10", "mrr@10", "ndcg@10", "hit@10", "precision@10")

SWEEP_SECONDS = "sweep_seconds"  # in a sweep's run; before 0.7 its only metric


def sums_up(run: Run) -> bool:
    """Whether it is the run of a sweep, a comparison or a suite: its result is that of others."""
    tags = run.data.tags
    return (
        COMPARISON in tags
        or SUITE in tags
        or (HEARTBEAT in tags and SWEEP in tags and NUMBER not in tags)
    )


def tags_of(run: Run) -> dict[str, str]:
    """The run's tags, under the names above.

    Versions before 0.3 wrote three of them without the prefix. Such a tag counts if the run looks
    as those versions left it; otherwise it is the user's own.
    """
    tags: dict[str, str] = dict(run.data.tags)
    for name, wrote in _BEFORE_0_3.items():
        plain = name.removeprefix("seqrec.")
        if plain in tags and name not in tags and wrote(run):
            tags[name] = tags[plain]
    return tags


_BEFORE_0_3: dict[str, Callable[[Run], bool]] = {
    REPORT: lambda run: not run.data.params and not run.data.metrics,
    HEARTBEAT: lambda run: (
        SWEEP in run.data.tags
        and NUMBER not in run.data.tags
        and run.data.metrics.keys() <= {SWEEP_SECONDS}
    ),
    PUBLISHED: lambda run: (
        DATA_DIGEST not in run.data.tags
        and (NUMBER in run.data.tags or PAGE_DIGEST in run.data.tags)
    ),
}


def metric_key(part: str, name: str) -> str:
    """('test', 'ndcg@10') -> 'test/ndcg_at_10': MLflow forbids @ in the names of metrics."""
    return f"{part}/{name.replace('@', '_at_')}"


def logged(part: str, metrics: Mapping[str, float], *, one_target: bool) -> dict[str, float]:
    """Metrics by name as they are logged, by key: of queries with one target, without those that
    repeat recall."""
    left_out = FOLLOWING if one_target else ()
    return {metric_key(part, name): v for name, v in metrics.items() if name not in left_out}


def metric_name(part: str, key: str) -> str | None:
    """('test', 'test/ndcg_at_10') -> 'ndcg@10'; None for the key of another part."""
    prefix = f"{part}/"
    return key.removeprefix(prefix).replace("_at_", "@") if key.startswith(prefix) else None
