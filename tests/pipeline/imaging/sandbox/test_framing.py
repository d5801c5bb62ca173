"""Frames over a socket."""

import socket
import threading

import pytest

from pipeline.imaging.sandbox.framing import receive, send


@pytest.fixture
def ends():
    left, right = socket.socketpair()
    with left, right:
        right.settimeout(2)
        yield left, right


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 10_000])
def test_a_frame_arrives_as_it_was_sent(ends, data):
    sender = threading.Thread(target=send, args=(ends[0], data))
    sender.start()
    assert receive(ends[1], len(data)) == data
    sender.join()


def test_a_frame_longer_than_allowed_is_refused_unread(ends):
    send(ends[0], b"12345")
    with pytest.raises(ConnectionError, match="a frame of 5 bytes, more than 4"):
        receive(ends[1], 4)


def test_an_end_within_a_frame_is_an_error_and_silence_a_timeout(ends):
    ends[1].settimeout(0.05)
    with pytest.raises(TimeoutError):
        receive(ends[1], 10)
    ends[0].sendall(b"\0\0\0\0\0\0\0\5ab")
    ends[0].close()
    with pytest.raises(ConnectionError, match="closed the connection"):
        receive(ends[1], 10)
