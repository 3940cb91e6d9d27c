"""Ctrl-C, SIGTERM and a closed terminal as a request that the training reads between two calls."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from kerasexp.errors import Interrupted


def _signals() -> list[signal.Signals]:
    """Those that ask for an end; under nohup that of the terminal does not."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if ignored else [signal.SIGHUP])]


@contextlib.contextmanager
def as_keyboard_interrupt() -> Iterator[None]:
    """While this context is open, every such signal raises KeyboardInterrupt: for work that is simply made again."""
    previous = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.signal(number, signal.default_int_handler) for number in _signals()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interrupted_as(message: str) -> Iterator[None]:
    """Tells a KeyboardInterrupt inside this context, or inside a function that it decorates, in words.

    Raises:
        Interrupted: with `message`, instead of KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(message) from None


class Interruption:
    """While this context is open, the first SIGINT, SIGTERM or SIGHUP only sets `requested`; a second acts as usual."""

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        # signal handlers can be set in the main thread only; elsewhere (a notebook's worker) signals are not ours
        if threading.current_thread() is threading.main_thread():
            for number in _signals():
                self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _request(self, number: int, frame: Any) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
