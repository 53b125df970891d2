"""Models by data sets: one page over many data sets, and what changed between two states.

board.py is the contract: rows are models, columns are data sets with their protocols. It is read
from a tracking server or from an exported file, and all formats show it.
"""
