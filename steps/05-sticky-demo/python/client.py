"""Step 05, the client: sends each line of its input by itself, and waits for nothing.

    python3 client.py [HOST:PORT]
"""

import socket
import sys

from input import read_line
from program import address

host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9005")

with socket.create_connection((host, port)) as stream:
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # each line leaves at once
    while (line := read_line(sys.stdin.buffer)) is not None:
        if not line:
            continue  # TCP cannot send an empty message
        stream.sendall(line)
        print("sent %d bytes" % len(line), flush=True)
