"""Step 08, the server: a room in which everybody hears what each one says.

    python3 server.py [HOST:PORT]

Still wrong, on purpose: one client that does not read stops the room for everybody, since lines are
sent under the lock, and stopping is abrupt.
"""

import os
import socket
import sys
import threading
import time

from line import BadLine, LineBuffer, check

READ_LEN = 4096  # bytes; how much one recv may take
ACCEPT_PAUSE = 0.1  # seconds; after an error of accept

KEEPALIVE_IDLE = 10  # seconds of silence before the first probe
KEEPALIVE_INTERVAL = 2  # seconds between two probes
KEEPALIVE_PROBES = 3  # without an answer, the client is gone
USER_TIMEOUT = 16_000  # milliseconds in which nothing that we send is taken

# Nothing but these names says that the dict may be used only with the lock.
clients = {}  # who is online: the address of each client, and its stream
lock = threading.Lock()


def log(line):
    try:
        print(line, flush=True)
    except OSError:
        pass  # the room goes on, also where nobody reads this


def broadcast(line):
    """Sends a line to everybody who is online: in the same order, since under the lock."""
    with lock:
        for stream in clients.values():
            send_line(stream, line)


def tell(name, line):
    """Sends a line to one client."""
    with lock:
        if name in clients:
            send_line(clients[name], line)


def send_line(stream, line):
    try:
        stream.sendall(line.encode() + b"\n")
    except OSError:
        shut_down(stream)  # the thread that reads from it sees that, and removes the client


def shut_down(stream):
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the connection has ended already


def set_up(stream):
    """Has the system find out when the client vanishes without a word."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in [  # not every system has each of them
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT),
    ]:
        if hasattr(socket, option):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def handle_connection(stream, name):
    """Passes on what a client says, until it leaves."""
    set_up(stream)
    with lock:
        clients[name] = stream
    log(f"{name} joined")
    try:
        lines = LineBuffer()
        while data := stream.recv(READ_LEN):
            for line in lines.push(data):
                try:
                    text = check(line)
                except BadLine as bad:
                    tell(name, f"error: {bad}")
                    continue
                if text.strip() == "quit":
                    return
                if text.strip():
                    broadcast(f"{name} {text}")
    finally:
        with lock:
            del clients[name]
        shut_down(stream)


def serve(stream, name):
    """The thread of one client."""
    with stream:
        try:
            handle_connection(stream, name)
            log(f"{name} left")
        except OSError as error:
            log(f"{name} lost: {error.strerror}")


def accept_clients(listener):
    """Accepts clients, for ever, and starts a thread for each."""
    failing = False
    while True:
        try:
            stream, peer_addr = listener.accept()
        except OSError as error:  # most likely, all descriptors are in use
            if not failing:
                log(f"cannot accept clients for now: {error}")
            failing = True
            time.sleep(ACCEPT_PAUSE)  # no event tells that a descriptor is free
            continue
        failing = False
        name = "%s:%d" % peer_addr[:2]
        threading.Thread(target=serve, args=(stream, name), daemon=True).start()


def who_is_online():
    with lock:
        names = sorted(clients)
    return f"{len(names)} online: {', '.join(names)}" if names else "nobody is online"


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9008").rpartition(":")

listener = socket.create_server((host, int(port)))
print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
acceptor = threading.Thread(target=accept_clients, args=(listener,), daemon=True)
acceptor.start()
for line in sys.stdin.buffer:
    if line.strip() == b"quit":
        os._exit(0)  # abrupt, as our own is: no thread is asked
    log(who_is_online())
acceptor.join()  # the console has ended; the room goes on
