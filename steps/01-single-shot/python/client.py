"""Step 01, the client: one message, one answer.

    python3 client.py [HOST:PORT [MESSAGE]]
"""

import socket
import sys

from program import address

MAX_READ_LEN = 1024  # bytes; recv may return fewer

host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9001")
message = sys.argv[2] if len(sys.argv) > 2 else "hello"

# ANCHOR: connect
with socket.create_connection((host, port)) as stream:
# ANCHOR_END: connect
    try:
        stream.sendall(message.encode())
        answer = stream.recv(MAX_READ_LEN)  # waits for bytes
    except ConnectionError as error:
        sys.exit(f"error: {error}")
    if not answer:
        sys.exit("error: the server closed the connection without an answer")
    sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.buffer.flush()
