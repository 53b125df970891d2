"""The messages of a run to the tracking server, kept on disk until they are delivered."""
