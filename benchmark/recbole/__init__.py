"""RecBole's files: its configuration of a trial, and its published result pages."""
