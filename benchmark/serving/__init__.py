"""Registered models: the promotion of a trial, and recommendations by its model.

promotion -> champion -> recommendation (of histories)
"""
