"""SIGTERM ends what is at work, cleanly; tests/faults has the rest."""

import os
import signal
import threading

import pytest

from pipeline.core.signals import Stopped, heeding_sigterm


def test_sigterm_raises_once_and_a_second_one_changes_nothing():
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(Stopped), heeding_sigterm():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, before)


def test_the_handler_before_is_back_after_the_block():
    before = signal.getsignal(signal.SIGTERM)
    with heeding_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_changes_no_handler():
    before, inside = signal.getsignal(signal.SIGTERM), []

    def work():
        with heeding_sigterm():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
