"""SIGTERM and Ctrl-C: the first is heeded where a trial can be gone on with, the second at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Terminated(BaseException):
    """SIGTERM; not an Exception, so that nothing swallows it on its way out."""


_heard: list[int] = []
_waiting = False  # for a place where it can be heeded


@contextmanager
def listening() -> Iterator[None]:
    """Both signals raise KeyboardInterrupt or Terminated in here, at once or ``between_steps``."""
    threads = threading.current_thread() is not threading.main_thread()  # they hear no signals
    if threads or signal.getsignal(signal.SIGTERM) is _hear:
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # as a shell has it for what it runs in the background
            signal.signal(number, _hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _heard.clear()


@contextmanager
def between_steps() -> Iterator[None]:
    """In here the first signal waits until somebody asks to ``heed`` it, or until the end."""
    global _waiting
    _waiting = True
    try:
        yield
    finally:
        _waiting = False
    heed()


def heed() -> None:
    """Raise what a signal should have raised: here everything is as it should be."""
    if _heard:
        raise _exception(_heard[0])


def heard() -> bool:
    return bool(_heard)


def hurried() -> bool:
    """Whether a second signal says not to wait for anything."""
    return len(_heard) > 1


def _hear(number: int, frame: object) -> None:
    _heard.append(number)
    if len(_heard) == 1 and _waiting:
        os.write(2, b"stopping after this step (once more: at once)\n")  # safe in a handler
    else:
        raise _exception(number)


def _exception(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()
