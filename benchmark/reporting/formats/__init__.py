"""A report in every format: each is one file here, and one line in ``benchmark.report``.

A format's ``render(report, name)`` gives files by name: first the report itself, ``name`` and a
suffix, then what belongs to it and is found beside it.
"""
