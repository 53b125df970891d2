"""One trial, from its settings and its data to its result.

    data -> attempt -> results

``attempt`` calls ``training``, shows its ``progress``, and hands its results to ``tracking``.
"""
