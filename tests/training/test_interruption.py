from __future__ import annotations

import os
import signal

import pytest

from kerasexp.errors import Interrupted
from kerasexp.training.interruption import Interruption, as_keyboard_interrupt, interrupted_as

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def heard():
    """Lets no signal end the tests, whoever started them."""

    def unheard(*_):
        raise AssertionError("nobody listened to the signal")

    before = {number: signal.signal(number, unheard) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_told_in_words(number):
    with pytest.raises(Interrupted, match="nothing yet"), as_keyboard_interrupt(), interrupted_as("nothing yet"):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_a_request_and_the_second_acts(number):
    with as_keyboard_interrupt(), Interruption() as interruption:
        os.kill(os.getpid(), number)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_under_nohup_a_closed_terminal_ends_nothing():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with as_keyboard_interrupt(), Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGHUP)
    assert not interruption.requested
