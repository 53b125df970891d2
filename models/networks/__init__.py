"""Models that learn by gradients, a file each, and the parts that they share."""
