"""MLflow and nothing but: trials are written to it and read from it in this folder alone.

One trial is one MLflow run; a report is a query over runs. The names in ``schema`` are public:
anyone may log runs that the report can rank.

    reading/   what is on record: trials, sweeps
    writing/   one MLflow run each: trial, sweep, published page, report
    outbox/    messages to the server, kept on disk until they are delivered
    registry/  the model registry: a trial's best weights as a model that MLflow serves
"""
