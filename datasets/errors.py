"""The one exception that users of this package handle, and how its messages quote input."""

LONGEST_QUOTE = 200  # characters


class DataError(Exception):
    """The data cannot be used as they are; the message says what, where, and what to do."""


def quoted(value: object) -> str:
    """``repr`` of the value: one line, cut after 200 characters."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."
