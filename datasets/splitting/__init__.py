"""Sequences in, the positions to train on and to evaluate out."""
