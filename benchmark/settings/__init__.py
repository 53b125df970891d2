"""The settings of a trial: declared, checked, and decided by the training data where not given.

declaration -> fields -> settings -> defaults
"""
