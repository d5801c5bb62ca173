"""Frames of bytes over a socket: the length in eight bytes, then the bytes. A lost connection raises OSError."""

from __future__ import annotations

import socket
import struct

_LENGTH = struct.Struct(">Q")


def send(to: socket.socket, data: bytes | memoryview) -> None:
    """Send one frame."""
    to.sendall(_LENGTH.pack(len(data)))
    to.sendall(data)


def receive(source: socket.socket, longest: int) -> bytearray:
    """The next frame; raises OSError if it announces more than `longest` bytes."""
    (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
    if length > longest:
        raise ConnectionError(f"a frame of {length:,} bytes, more than {longest:,}")
    return _exactly(source, length)


def _exactly(source: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        count = source.recv_into(rest)
        if not count:
            raise ConnectionError("the other side closed the connection")
        rest = rest[count:]
    return data
