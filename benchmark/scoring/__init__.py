"""What another library recommends, ranked as this suite ranks: from its file to ranks of targets.

    table (parquet or CSV) -> lists or stated ranks -> ranks
    npz                    -> scores of all items   -> ranks

No MLflow is known here.
"""
