"""Files of another library's recommendations in, ranks of the targets out.

    .parquet, .csv  -> tables -> lists, or the ranks that the file states -> ranks
    .npz            -> matrix: the scores of all items                    -> ranks

``score`` chooses by the file's name and columns. No MLflow is known here.
"""
