"""Train, evaluate, track and report: one file per command line verb, one (tracking) for MLflow."""
