"""Numbers and lists in the sentences of a verdict."""

from collections.abc import Callable, Container, Sequence


def seconds(seconds: float) -> str:
    """36.7 s, 240 s."""
    return f"{seconds:,.{0 if seconds >= 10 else 1}f} s"


def size(number: float | None) -> str:
    """1.2 M, 950 k, 12; empty for none."""
    if not number:
        return ""
    for unit, word in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.{1 if number < 10 * unit else 0}f} {word}"
    return f"{number:.0f}"


def number(value: float | None, form: str) -> str:
    """Empty for None."""
    return "" if value is None else format(value, form)


def apart(name: str, taken: Container[str]) -> str:
    """The title of a setting's column, beside other columns."""
    return f"{name} (setting)" if name in taken else name


def counted(number: int, noun: str) -> str:
    """Such as 1 trial, 1,200 trials."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def listed(names: list[str]) -> str:
    """A, B and C."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def few(names: Sequence[str], most: int, joined: Callable[[list[str]], str] = listed) -> str:
    """All names, ``joined``; of more than ``most`` the first ones, and how many follow."""
    if len(names) <= most:
        return joined(list(names))
    return f"{', '.join(names[:most])} and {len(names) - most} more"
