"""A solution: a room that drops a client that does not take a line within a second. It leaves out the
rest of the step: keepalive, the console, and the limit on clients.

    python3 slow_reader.py [HOST:PORT]

Still wrong: for each client that does not read, all others wait for a second.
"""

import pathlib
import socket
import sys
import threading

sys.path.append(str(pathlib.Path(__file__).parents[1] / "python"))
from line import BadLine, LineBuffer, check

READ_LEN = 4096  # bytes; the most that one recv returns
WRITE_TIMEOUT = 1.0  # seconds that sending a line to one client may take

# The clients that are online. To be used only while the lock is held.
clients = set()
lock = threading.Lock()


def broadcast(line):
    """Sends a line to every client, and drops the clients that did not take all of it in time."""
    with lock:
        for stream in list(clients):
            try:
                stream.sendall(line.encode() + b"\n")
            except OSError:
                # A part of the line may have been sent, and the error does not state how much. The next
                # line would begin in the middle of this one, so the client gets no next line.
                remove(stream)


def remove(stream):
    """Removes a client and ends the connection, so that its thread stops receiving. Under the lock."""
    clients.discard(stream)
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the connection has ended already


def receive(stream):
    """Waits for bytes. The timeout counts for recv, too, and a client may be silent as long as it likes."""
    while True:
        try:
            return stream.recv(READ_LEN)
        except TimeoutError:
            pass


def serve(stream, addr):
    """Passes on each line that a client sends, until it leaves. This is what its thread does."""
    stream.settimeout(WRITE_TIMEOUT)
    with lock:
        clients.add(stream)
    lines = LineBuffer()
    try:
        while data := receive(stream):
            for line in lines.push(data):
                try:
                    broadcast(f"{addr} {check(line)}")
                except BadLine as bad:
                    with lock:
                        stream.sendall(f"error: {bad}\n".encode())
    except OSError:
        pass  # the connection broke
    finally:
        with lock:
            remove(stream)
        stream.close()


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9008").rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        args = (stream, "%s:%d" % peer_addr[:2])
        threading.Thread(target=serve, args=args, daemon=True).start()
