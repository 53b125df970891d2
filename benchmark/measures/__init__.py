"""Measures, as pure functions of ranks and lists, and the protocol under which results compare."""
