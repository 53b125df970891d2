"""What is measured of ranks, lists and data, and the protocol under which results compare."""
