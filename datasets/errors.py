"""The one exception a user of this package has to know."""


class DataError(ValueError):
    """The data cannot be used as they are. The message says what is wrong, where, and what to do."""
