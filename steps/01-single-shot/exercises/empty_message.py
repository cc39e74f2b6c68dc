"""A solution: the client of step 01, which sends no empty message and waits for no answer to it.

    python3 empty_message.py [HOST:PORT [MESSAGE]]
"""

import socket
import sys

MAX_READ_LEN = 1024  # bytes; recv may return fewer

host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9001").rpartition(":")
message = sys.argv[2] if len(sys.argv) > 2 else "hello"

with socket.create_connection((host, int(port))) as stream:
    if not message:
        sys.exit()  # no bytes would be sent, so none would return
    stream.sendall(message.encode())
    answer = stream.recv(MAX_READ_LEN)  # waits for bytes
    if not answer:
        sys.exit("error: the server closed the connection without an answer")
    sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.buffer.flush()
