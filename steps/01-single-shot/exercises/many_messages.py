"""A solution: the server of step 01, with a loop around receiving and answering.

    python3 many_messages.py [HOST:PORT]
"""

import socket
import sys

MAX_READ_LEN = 1024  # bytes; recv may return fewer

host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9001").rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    stream, peer_addr = listener.accept()  # waits for a client
    with stream:
        print("%s:%d connected" % peer_addr[:2], flush=True)
        while message := stream.recv(MAX_READ_LEN):  # b"" is end of file: the client sends no more
            stream.sendall(message)
