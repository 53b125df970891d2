#!/usr/bin/env bash
# Ablation of the recipe: one trial for each change. All other settings keep their defaults, and
# training ends where the defaults end it. The trials are runs of the experiment DATASET-ablation.
# Arguments after the data set are passed to `mlflow run`. JOBS is the number of trials that run at
# the same time, with one thread each (default: 2).
#
#   bench/ablation.sh beauty-5core -P history=masked -P data_dir=../shared/data
#   python -m benchmark.report --experiment beauty-5core-ablation
set -euo pipefail
cd "$(dirname "$0")/.."
export dataset=$1 OMP_NUM_THREADS=1
shift
export options="$*"

changes=(
  recipe=fast  # the default: this trial is the one to compare with
  "embeddings=random -P blend=none"
  blend=none
  embeddings=random
  repeats=alike
  causal_share=0
  neighbours=0
  muon_ratio=0
  head=norm
  norm=post
  positions=learned
  initialisation=normal
  warmup_steps=0
  ema_decay=0
  last_share=0
  dropout=0.2
  "schedule=cosine -P epochs=20"
  negatives=1024
  "recipe=paper -P learning_rate=0.001"
)
trial() {
  mlflow run . --env-manager local --experiment-name "$dataset-ablation" \
    -P dataset="$dataset" -P $1 $options
}
export -f trial
# Trials that start together would each try to create the experiment, and all but one would fail.
# The command fails if the experiment exists from an earlier run, which does no harm.
mlflow experiments create --experiment-name "$dataset-ablation" || true
printf '%s\n' "${changes[@]}" | xargs -P "${JOBS:-2}" -I CHANGE bash -c 'trial "CHANGE"'
