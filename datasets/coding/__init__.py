"""Ids in, numbers out, within a budget of memory."""
