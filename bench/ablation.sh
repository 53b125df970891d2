#!/usr/bin/env bash
# What each choice of the recipe buys: one trial without it, all else the same, five epochs each.
# The trials are runs of the experiment DATASET-ablation; JOBS (2) at a time, with one thread each.
#
#   bench/ablation.sh ml-1m -P data_dir=../shared/data
#   python -m benchmark.report --experiment ml-1m-ablation
set -euo pipefail
cd "$(dirname "$0")/.."
export dataset=$1 OMP_NUM_THREADS=1
shift
export options="$*"

changes=(
  recipe=fast  # as it is
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
mlflow experiments create --experiment-name "$dataset-ablation" || true  # before two trials do
printf '%s\n' "${changes[@]}" | xargs -P "${JOBS:-2}" -I CHANGE bash -c 'trial CHANGE'
