"""A solution: a room in which clients can have names. It leaves out the rest of the step: keepalive,
the console, and the limit on clients.

    python3 names.py [HOST:PORT]
"""

import pathlib
import socket
import sys
import threading

sys.path.append(str(pathlib.Path(__file__).parents[1] / "python"))
from line import LineBuffer, check

READ_LEN = 4096  # bytes; the most that one recv returns

# The clients that are online: the stream of each, and its name. To be used only while the lock is held.
clients = {}
lock = threading.Lock()


def take_name(stream, name):
    """Gives a client another name, unless another client has it.

    The lock is held from looking to taking. Otherwise two clients could both find the name free, and then
    both take it.
    """
    if not name.isalnum():
        raise ValueError("a name is one word of letters and digits")
    with lock:
        if name in clients.values():
            raise ValueError(f"another client is called {name}")
        clients[stream] = name


def broadcast(speaker, text):
    """Sends a line to every client, after the name of the client that sent it."""
    with lock:
        line = f"{clients[speaker]} {text}\n".encode()
        for stream in clients:
            try:
                stream.sendall(line)
            except OSError:
                pass  # this concerns this client only: its own thread sees that the connection is broken


def handle_line(stream, line):
    """Gives the client a name, or passes the line on."""
    text = check(line)
    if text.startswith("/name "):
        take_name(stream, text.removeprefix("/name "))
    else:
        broadcast(stream, text)


def serve(stream, addr):
    """Handles each line that a client sends, until it leaves. This is what its thread does."""
    with lock:
        clients[stream] = addr  # at first, the name is the address
    lines = LineBuffer()
    try:
        while data := stream.recv(READ_LEN):  # waits for bytes
            for line in lines.push(data):
                try:
                    handle_line(stream, line)
                except ValueError as problem:  # a BadLine is one, too
                    with lock:
                        stream.sendall(f"error: {problem}\n".encode())
    except OSError:
        pass  # the connection broke
    finally:
        # However the connection ends, the client is removed, and its name is free.
        with lock:
            del clients[stream]
        stream.close()


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9008").rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        args = (stream, "%s:%d" % peer_addr[:2])
        threading.Thread(target=serve, args=args, daemon=True).start()
