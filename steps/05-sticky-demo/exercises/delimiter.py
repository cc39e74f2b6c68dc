"""A solution: the server of step 05, for messages that end with a newline.

    python3 delimiter.py [HOST:PORT]

Still wrong: a message cannot contain a newline. A peer that never sends one fills the memory.
"""

import socket
import sys


def handle_connection(stream, peer):
    """Shows each message until the client has left."""
    # What follows the last newline. It belongs to this connection, so a rest at the end is not
    # taken for the beginning of another client's message.
    rest = b""
    while data := stream.recv(1024):  # waits for bytes
        *messages, rest = (rest + data).split(b"\n")
        for message in messages:
            print('%s: "%s"' % (peer, repr(message)[2:-1]), flush=True)


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9005").rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        peer = "%s:%d" % peer_addr[:2]
        with stream:
            try:
                handle_connection(stream, peer)
            except ConnectionError as error:
                print(f"{peer} lost: {error}", flush=True)
