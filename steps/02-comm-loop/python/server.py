"""Step 02, the server: one connection, any number of messages.

    python3 server.py [HOST:PORT]

Still wrong, on purpose: when the client has left, recv returns b"" at once, each time, and the loop
spins.
"""

import socket
import sys

from program import address

MAX_READ_LEN = 1024  # bytes; recv may return fewer

host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9002")

with socket.create_server((host, port)) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    stream, peer_addr = listener.accept()  # waits for a client
    with stream:
        print("%s:%d connected" % peer_addr[:2], flush=True)
        # ANCHOR: loop
        while True:
            message = stream.recv(MAX_READ_LEN)  # waits for bytes
            stream.sendall(message.upper())
        # ANCHOR_END: loop
