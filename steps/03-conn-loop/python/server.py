"""Step 03, the server: one client after another, each with any number of messages.

    python3 server.py [HOST:PORT]

Still wrong: one client at a time.
"""

import socket
import sys

from program import address

MAX_READ_LEN = 1024  # bytes; recv may return fewer


def handle_connection(stream):
    """Sends back in upper case whatever arrives, until the client has left."""
    # ANCHOR: loop
    while True:
        message = stream.recv(MAX_READ_LEN)  # waits for bytes
        if not message:
            return  # end of file: the client sends no more
        stream.sendall(message.upper())
    # ANCHOR_END: loop


host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9003")

with socket.create_server((host, port)) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        # ANCHOR: accept-loop
        stream, peer_addr = listener.accept()  # waits for a client
        print("%s:%d connected" % peer_addr[:2], flush=True)
        with stream:
            try:
                handle_connection(stream)
                print("%s:%d disconnected" % peer_addr[:2], flush=True)
            except OSError as error:  # a reset ends one connection; a bug still stops us
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
        # ANCHOR_END: accept-loop
