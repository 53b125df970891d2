"""The settings of a trial: declared, and checked.

declaration -> fields -> settings
"""
