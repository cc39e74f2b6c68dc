"""Step 08, the server: a room in which every client receives each line.

    python3 server.py [HOST:PORT] [--max-clients N]

Still wrong, on purpose: a client that does not read stops the room for every client, because lines
are sent while the lock is held. Stopping is abrupt: no client gets a goodbye.
"""

import argparse
import os
import socket
import sys
import threading
import time

from console import console_lines
from line import BadLine, LineBuffer, check
from program import address

READ_LEN = 4096  # bytes; the most that one recv returns
ACCEPT_PAUSE = 0.1  # seconds; how long to wait after an error of accept
DEFAULT_MAX_CLIENTS = 4096

# ANCHOR: keepalive-constants
KEEPALIVE_IDLE = 10  # seconds of silence before the first keepalive probe
KEEPALIVE_INTERVAL = 2  # seconds between two probes
KEEPALIVE_PROBES = 3  # after this many without an answer, the connection is broken
USER_TIMEOUT = 16_000  # milliseconds; how long sent bytes may wait for their acknowledgement
# ANCHOR_END: keepalive-constants

# ANCHOR: clients
# The clients that are online: the address of each, and its stream. To be used only while the lock is
# held; Python does not check that.
clients = {}
lock = threading.Lock()
# ANCHOR_END: clients


def log(line):
    try:
        print(line, flush=True)
    except OSError:
        pass  # the room continues even if stdout is closed


# ANCHOR: broadcast
def broadcast(line):
    """Sends a line to every client. The lock is held meanwhile: all clients see the same order."""
    with lock:
        for stream in clients.values():
            send_line(stream, line)


def reply(peer_addr, line):
    """Sends a line to one client."""
    with lock:
        if peer_addr in clients:
            send_line(clients[peer_addr], line)


def send_line(stream, line):
    try:
        stream.sendall(line.encode() + b"\n")
    except OSError:
        try:
            stream.shutdown(socket.SHUT_RDWR)  # its thread, which waits in recv, removes the client
        except OSError:
            pass  # the connection has ended already
# ANCHOR_END: broadcast


# ANCHOR: set-up
def set_up(stream):
    """Makes recv and sendall fail when the client has vanished without a FIN."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in [  # some systems have only some of these
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT),
    ]:
        if hasattr(socket, option):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
# ANCHOR_END: set-up


# ANCHOR: handle-connection
def handle_connection(stream, peer_addr):
    """Passes on each line that a client sends, until it leaves."""
    set_up(stream)
    log(f"{peer_addr} joined")
    lines = LineBuffer()
    while data := stream.recv(READ_LEN):
        for line in lines.push(data):
            try:
                text = check(line)
            except BadLine as bad:
                reply(peer_addr, f"error: {bad}")
                continue
            if text.strip() == "quit":
                return
            if text.strip():
                broadcast(f"{peer_addr} {text}")
# ANCHOR_END: handle-connection


# ANCHOR: serve
def serve(stream, peer_addr):
    """Serves one client until it leaves. This is what its thread does."""
    with stream:
        try:
            handle_connection(stream, peer_addr)
            result = "left"
        except OSError as error:
            result = f"lost: {error.strerror}"
        finally:
            with lock:
                del clients[peer_addr]
    log(f"{peer_addr} {result}")
# ANCHOR_END: serve


# ANCHOR: join
def join(stream, peer_addr, max_clients):
    """Puts a client into the dict. Returns why not if the room is full."""
    with lock:
        if len(clients) >= max_clients:
            return "the room is full"
        if peer_addr in clients:  # an earlier connection has broken, which its thread has not noticed yet
            return "address in use"
        clients[peer_addr] = stream
# ANCHOR_END: join


# ANCHOR: turn-away
def turn_away(stream, peer_addr, reason):
    """Sends a client one line with the reason why it cannot join, and closes the connection."""
    log(f"{peer_addr} turned away: {reason}")
    send_line(stream, f"error: {reason}; try again later")
    stream.close()
# ANCHOR_END: turn-away


# ANCHOR: start-thread
def start_thread(stream, peer_addr):
    """Starts the thread that serves one client."""
    try:
        threading.Thread(target=serve, args=(stream, peer_addr), daemon=True).start()
    except RuntimeError as error:  # the system allows no more threads
        with lock:
            clients.pop(peer_addr)
        turn_away(stream, peer_addr, error)
# ANCHOR_END: start-thread


# ANCHOR: accept
def accept_clients(listener, max_clients):
    """Accepts clients until the process ends."""
    is_failing = False
    while True:
        # ANCHOR: keep-trying
        try:
            stream, (host, port, *_) = listener.accept()
        except OSError as error:  # most likely, all descriptors are in use
            if not is_failing:
                log(f"cannot accept clients for now: {error}")
            is_failing = True
            time.sleep(ACCEPT_PAUSE)  # no event reports that a descriptor is free
            continue
        is_failing = False
        # ANCHOR_END: keep-trying
        peer_addr = f"{host}:{port}"
        if reason := join(stream, peer_addr, max_clients):
            turn_away(stream, peer_addr, reason)
        else:
            start_thread(stream, peer_addr)
# ANCHOR_END: accept


def who_is_online():
    with lock:
        addrs = sorted(clients)
    return f"{len(addrs)} online: {', '.join(addrs)}" if addrs else "no client is online"


parser = argparse.ArgumentParser()
parser.add_argument("addr", nargs="?", default="127.0.0.1:9008", metavar="HOST:PORT")
parser.add_argument("--max-clients", default=DEFAULT_MAX_CLIENTS, type=int, metavar="N")
args = parser.parse_args()
host, port = address(args.addr)

listener = socket.create_server((host, port))
print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
acceptor = threading.Thread(target=accept_clients, args=(listener, args.max_clients), daemon=True)
acceptor.start()
for line in console_lines(sys.stdin.buffer):
    if line.strip() == b"quit":
        os._exit(0)  # abrupt: the process ends, and all its threads and connections with it
    log(who_is_online())
acceptor.join()  # the console has ended; the room continues
