"""A solution: the server of step 02, which serves the next client when one has left.

    python3 next_client.py [HOST:PORT]
"""

import socket
import sys

MAX_READ_LEN = 1024  # bytes; recv may return fewer


def handle_connection(stream):
    """Sends back in upper case whatever arrives, until the client has left."""
    while message := stream.recv(MAX_READ_LEN):  # b"" is end of file: the client sends no more
        stream.sendall(message.upper())


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9002").rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        try:
            stream, peer_addr = listener.accept()  # waits for a client
        except ConnectionError:
            continue  # a client that left before it was accepted is no reason to stop
        with stream:
            try:
                handle_connection(stream)
                print("%s:%d disconnected" % peer_addr[:2], flush=True)
            except ConnectionError as error:  # only this connection is broken: the server continues
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
