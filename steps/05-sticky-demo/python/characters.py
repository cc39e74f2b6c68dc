"""A character that is cut: what comes out if each recv is taken for text.

    python3 characters.py
"""

import socket

import program  # errors that a person can cause are reported in one line

CHARACTER = "你"  # "you", in Chinese: 3 bytes
CHARACTERS = 400
MAX_READ_LEN = 1024  # bytes


def report(data):
    """Takes bytes for text, and prints what they are."""
    try:
        print("%d bytes: %d characters" % (len(data), len(data.decode())))
    except UnicodeDecodeError as error:
        print("%d bytes: UnicodeDecodeError: %s" % (len(data), error))


with socket.create_server(("127.0.0.1", 0)) as listener:
    writer = socket.create_connection(listener.getsockname())
    reader, _ = listener.accept()

with writer, reader:
    text = (CHARACTER * CHARACTERS).encode()
    writer.sendall(text)
    data = b""
    while len(data) < len(text):
        # MSG_WAITALL: a full buffer, so that each run shows the same.
        piece = reader.recv(min(MAX_READ_LEN, len(text) - len(data)), socket.MSG_WAITALL)
        if not piece:
            raise EOFError("the stream has ended")
        report(piece)
        data += piece
    report(data)
