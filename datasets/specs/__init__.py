"""Descriptions of data sets: their YAML files, and RecBole's configuration files."""
