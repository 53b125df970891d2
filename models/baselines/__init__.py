"""Models that are counted in one pass, a file each, and the linear algebra of the linear ones."""
