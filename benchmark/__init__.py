"""Train, evaluate, track, sweep and report: a file for each command, a folder for each subject.

    train sweep report promote recommend check ...   commands: each reads options and calls a folder
    settings/      what a trial can be told
    training/      one trial: batches, optimizer, evaluation, result
    measures/      metrics of ranks and lists, and the protocol under which they compare
    tracking/      MLflow and nothing but
    sweeps/        many trials: search space, search method, executors
    reporting/     from stored trials to a report in several formats
    leaderboards/  many reports on one page, and what changed between two states
    serving/       registered models: promotion, and recommendations
    scoring/       other libraries' recommendations in, ranks out
    contract/      checks of a model's contract
    recbole/       RecBole's configuration files and published pages

``python -m benchmark`` lists the commands.
"""

import os

__version__ = "0.16.0"

# OpenMP's threads wait for each other in a busy loop, by default so long that two trials on one
# machine nearly stop each other: an epoch of the demo took 0.6 s alone and 18 s beside another
# trial. With this value it takes 0.6 s and 1.7 s. It must be set before torch is imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
