"""Errors of the user or of the machine, and how their messages show text from elsewhere."""

from datasets.errors import masked, quoted


class UserError(RuntimeError):
    """An error that the user can correct. Its message is one line: what, where, what to do.

    The credentials of URLs in it are masked.
    """

    def __str__(self) -> str:
        return masked(super().__str__())


class MachineError(UserError):
    """The machine lacks something (disk, memory): an interrupted trial can resume when it is there.

    The trial itself is not at fault.
    """


class NoRoom(MachineError):
    """A file of a trial at work cannot be written."""


class TakenOver(BaseException):
    """Another process owns the run now: this one must not write to it any more.

    Not an Exception, so that it is never logged as the run's failure.
    """


def printable(name: str) -> str:
    """The name, for a message: unchanged, or quoted if it is long or not printable."""
    return name if name.isprintable() and len(name) <= 80 else quoted(name)
