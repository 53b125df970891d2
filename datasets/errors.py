"""The one exception a user of this package has to know."""


class DataError(Exception):
    """The data cannot be used as they are; the message says what, where, and what to do."""
