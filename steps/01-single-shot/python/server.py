"""Step 01, the server: one connection, one read, one answer.

    python3 server.py [HOST:PORT]
"""

import socket
import sys

from program import address

MAX_READ_LEN = 1024  # bytes; recv may return fewer

host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9001")

# ANCHOR: bind
with socket.create_server((host, port)) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
# ANCHOR_END: bind
    # ANCHOR: accept
    stream, peer_addr = listener.accept()  # waits for a client
    with stream:
        print("%s:%d connected" % peer_addr[:2], flush=True)
    # ANCHOR_END: accept
        # ANCHOR: answer
        message = stream.recv(MAX_READ_LEN)  # waits for bytes
        stream.sendall(message)
        # ANCHOR_END: answer
