"""A solution: frames whose header has one byte if that is enough. The rest of step 06 is left out:
the only command is `echo`, and no shell runs it, so it does not matter who connects.

    python3 short_header.py [HOST:PORT]

    | 07 |  e c h o   h i |                     up to 254 bytes: the length
    | ff  00 00 01 00 |  256 bytes … |          from 255 bytes on: ff, and a frame of step 06
"""

import os
import pathlib
import socket
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1] / "python"))
from frame import read_frame, receive_exactly, write_frame

LONG = 255  # the first byte of a header of five bytes; no length of one byte has this value


def write_short_frame(stream, payload):
    """Sends one frame, with the shortest possible header."""
    if len(payload) < LONG:
        stream.sendall(bytes([len(payload)]) + payload)
    else:
        stream.sendall(bytes([LONG]))
        write_frame(stream, payload)


def read_short_frame(stream):
    """Returns the payload of the next frame, or None if the stream ends before the frame begins."""
    header = stream.recv(1)  # waits; a single byte cannot be cut off
    if not header:
        return None  # a clean close
    (length,) = header
    if length == LONG:
        payload = read_frame(stream)
        if payload is None:
            raise EOFError("the stream ended inside a header")
        if len(payload) < LONG:
            raise ValueError(f"{len(payload)} bytes need no long header")
        return payload
    payload = receive_exactly(stream, length)
    if len(payload) < length:
        raise EOFError("the stream ended inside a frame")
    return payload


def handle_connection(stream):
    """Answers one frame after another, until the client has left."""
    while (command_line := read_short_frame(stream)) is not None:
        is_echo = command_line.startswith(b"echo ")
        text = command_line.removeprefix(b"echo ") if is_echo else b"only echo is known"
        write_short_frame(stream, text + os.linesep.encode())  # as the system's shell would end a line


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9006").rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        with stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a long frame is two writes
            try:
                handle_connection(stream)
            except (OSError, EOFError, ValueError) as error:
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
