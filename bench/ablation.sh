#!/usr/bin/env bash
# Ablation of the recipe: one trial for each change of a setting, five epochs each. All other
# settings keep their defaults. The trials are runs of the experiment DATASET-ablation.
# Arguments after the data set are passed to `mlflow run`. JOBS is the number of trials that run at
# the same time, with one thread each (default: 2).
#
#   bench/ablation.sh ml-1m -P data_dir=../shared/data
#   python -m benchmark.report --experiment ml-1m-ablation
set -euo pipefail
cd "$(dirname "$0")/.."
export dataset=$1 OMP_NUM_THREADS=1
shift
export options="$*"

changes=(
  recipe=fast  # the default: this trial is the one to compare with
  repeats=alike
  causal_share=0
  positions=learned
  neighbours=0
  norm=post
  head=norm
  muon_ratio=0
  schedule=constant
  ema_decay=0
  windows=tiled
  last_share=0
  initialisation=normal
  negatives=1024
  dropout=0.2
  warmup_steps=0
  batch_size=128
  recipe=paper
)
trial() {
  mlflow run . --env-manager local --experiment-name "$dataset-ablation" \
    -P dataset="$dataset" -P epochs=5 -P "$1" $options
}
export -f trial
# Trials that start together would each try to create the experiment, and all but one would fail.
# The command fails if the experiment exists from an earlier run, which does no harm.
mlflow experiments create --experiment-name "$dataset-ablation" || true
printf '%s\n' "${changes[@]}" | xargs -P "${JOBS:-2}" -I CHANGE bash -c 'trial CHANGE'
