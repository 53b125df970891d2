"""Training and evaluation of one trial: tensors and files, without MLflow.

    defaults -> batches -> trainer (optimizer, averaging) -> evaluation -> ranks -> results

``workers`` are the processes that share a trial, ``checkpoint`` is the file that it resumes from.
"""
