"""A first YAML file for a data file that nobody has described yet."""
