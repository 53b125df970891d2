"""From the records of trials to a report.

    ranking -> comparison -> sections, charts -> formats

``page`` is the published layout, which the markdown format begins with.
"""
