"""Ctrl-C and SIGTERM as a request that the training reads between two calls."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Interruption:
    """While this context is open, the first SIGINT or SIGTERM only sets `requested`; a second one acts as usual."""

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        # signal handlers can be set in the main thread only; elsewhere (a notebook's worker) signals are not ours
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
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
