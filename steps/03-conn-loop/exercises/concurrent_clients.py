"""A solution: the server of step 03, with a thread for each client.

    python3 concurrent_clients.py [HOST:PORT]
"""

import socket
import sys
import threading

MAX_READ_LEN = 1024  # bytes; recv may return fewer


def serve(stream, peer):
    """Sends back in upper case whatever arrives, until the client has left."""
    with stream:
        try:
            while message := stream.recv(MAX_READ_LEN):  # only this client waits with us
                stream.sendall(message.upper())
            print(f"{peer} disconnected", flush=True)
        except ConnectionError as error:
            print(f"{peer} lost: {error}", flush=True)


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9003").rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        try:
            stream, peer_addr = listener.accept()  # waits for a client
        except ConnectionError:
            continue  # a client that left before it was accepted is no reason to stop
        peer = "%s:%d" % peer_addr[:2]
        # A daemon thread ends with the process: Ctrl-C does not wait for the clients.
        threading.Thread(target=serve, args=(stream, peer), daemon=True).start()
