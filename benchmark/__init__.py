"""Train, evaluate, track and report: one file per command line verb, one (tracking) for MLflow."""

import os

# OpenMP's threads wait for each other by spinning, by default so long that two trials on a machine
# bring each other almost to a halt: an epoch of the demo took 0.6 s alone, 18 s beside another
# trial, and takes 0.6 s and 1.7 s with this. It must be set before torch is imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
