"""Writing: the runs of trials, sweeps, published pages and reports."""
