"""Step 05, the client: sends each line of its input by itself, and waits for nothing.

    python3 client.py [HOST:PORT]
"""

import socket
import sys

host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9005").rpartition(":")

with socket.create_connection((host, int(port))) as stream:
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # each line leaves at once
    while True:
        if sys.stdin.isatty():
            print("> ", end="", flush=True)
        line = sys.stdin.buffer.readline()
        if not line:
            break
        line = line.rstrip(b"\r\n")
        if not line:
            continue  # TCP cannot send an empty message
        stream.sendall(line)
        print("sent %d bytes" % len(line), flush=True)
