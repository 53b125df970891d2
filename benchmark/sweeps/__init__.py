"""Many trials: a sweep of one model's settings, a comparison of models, a suite of comparisons.

a sweep        space (space_files) -> definition -> plan (suggest) -> tasks -> executors
a comparison   request -> contenders -> a sweep of each, within a budget
a suite        suite_file -> a comparison on each data set
"""
