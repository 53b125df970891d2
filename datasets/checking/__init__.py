"""YAML files from unknown authors: plain values, checked against what they describe."""
