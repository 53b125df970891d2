"""From the records of trials to a report.

    ranking -> comparison -> sections, charts -> content -> formats

``gather`` reads the trials from the tracking server; ``formats`` renders the content.
"""
