"""SIGTERM and Ctrl-C: the first takes effect where a trial can be resumed, the second at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Terminated(BaseException):
    """SIGTERM was received. Not an Exception, so that no handler of errors swallows it."""


_heard: list[int] = []  # the signals received so far
_waiting = False  # whether the first signal waits for ``heed``


@contextmanager
def listening() -> Iterator[None]:
    """In this block the signals raise KeyboardInterrupt or Terminated, at once or between steps."""
    in_thread = threading.current_thread() is not threading.main_thread()  # it gets no signals
    if in_thread or signal.getsignal(signal.SIGTERM) is _hear:
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # a shell ignores Ctrl-C for background processes
            signal.signal(number, _hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _heard.clear()


@contextmanager
def between_steps() -> Iterator[None]:
    """In this block the first signal waits until ``heed`` is called, or until the block ends."""
    global _waiting
    _waiting = True
    try:
        yield
    finally:
        _waiting = False
    heed()


def heed() -> None:
    """Raise the exception of a signal that waits. Called where the state is whole."""
    if _heard:
        raise _exception(_heard[0])


def heard() -> bool:
    """Whether a signal was received."""
    return bool(_heard)


def hurried() -> bool:
    """Whether a second signal was received: nothing may wait any more."""
    return len(_heard) > 1


def _hear(number: int, frame: object) -> None:
    _heard.append(number)
    if len(_heard) == 1 and _waiting:
        os.write(
            2, b"stopping after this step (a second signal stops at once)\n"
        )  # safe in a handler
    else:
        raise _exception(number)


def _exception(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()
