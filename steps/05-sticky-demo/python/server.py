"""Step 05, the server: shows what each recv returns, and answers nothing.

    python3 server.py [HOST:PORT]

Still wrong: it cannot distinguish one message from three.
"""

import socket
import sys

from program import address

MAX_READ_LEN = 1024  # bytes; recv may return fewer


def handle_connection(stream, peer):
    """Shows each read until the client has left."""
    while True:
        data = stream.recv(MAX_READ_LEN)  # waits for bytes
        if not data:
            return  # end of file: the client sends no more
        print('read %d bytes from %s: "%s"' % (len(data), peer, repr(data)[2:-1]), flush=True)


host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9005")

with socket.create_server((host, port)) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        peer = "%s:%d" % peer_addr[:2]
        print(peer, "connected", flush=True)
        with stream:
            try:
                handle_connection(stream, peer)
                print(peer, "disconnected", flush=True)
            except OSError as error:  # a reset ends one connection; a bug still stops us
                print(peer, "lost:", error, flush=True)
