"""Step 02, the client: sends each line of its input, and prints each answer.

    python3 client.py [HOST:PORT]
"""

import socket
import sys

from input import read_line
from program import address

MAX_MESSAGE_LEN = 1024  # bytes; the server reads no more than this at a time


def receive_exactly(stream, length):
    """Returns the next `length` bytes, in however many pieces they arrive."""
    data = bytearray()
    while len(data) < length:
        piece = stream.recv(length - len(data))
        if not piece:
            sys.exit("error: the server closed the connection")
        data += piece
    return bytes(data)


host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9002")

with socket.create_connection((host, port)) as stream:
    while (line := read_line(sys.stdin.buffer)) is not None:
        if not line:
            continue  # TCP cannot send an empty message: both sides would wait forever
        for start in range(0, len(line), MAX_MESSAGE_LEN):
            message = line[start : start + MAX_MESSAGE_LEN]
            try:
                stream.sendall(message)
                answer = receive_exactly(stream, len(message))
            except ConnectionError as error:
                sys.exit(f"error: {error}")
            sys.stdout.buffer.write(answer)
        sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
