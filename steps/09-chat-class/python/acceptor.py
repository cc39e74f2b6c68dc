"""The thread that accepts clients, and how it is stopped.

`accept` waits until a client connects, and nothing else ends that wait on every system. So the server
connects to itself: that wakes the thread, which knows the address of that connection.
"""

import socket
import threading
import time

from log import log

BACKLOG = 1024  # clients that may wait to be accepted
ACCEPT_PAUSE = 0.1  # seconds; after an error of accept
STOP_DEADLINE = 0.3  # seconds for the clients, when the server stops: first to join, then to close


# ANCHOR: acceptor
class Acceptor:
    """A thread that accepts clients for a room."""

    def __init__(self, host, port):
        self.listener = socket.create_server((host, port), backlog=BACKLOG)
        self.addr = host, port = self.listener.getsockname()
        # Where this computer reaches a server that listens on all of its addresses.
        self.reachable_addr = ("127.0.0.1" if host == "0.0.0.0" else host), port
        # Not connected yet. It is created now: later there may be no descriptor left for it.
        self.alarm = socket.socket()
        self.alarm.bind((self.reachable_addr[0], 0))
        self.alarm_addr = self.alarm.getsockname()
        self.is_stopping = False

    def start(self, room):
        self.thread = threading.Thread(target=self.accept_clients, args=(room,))
        self.thread.start()

    def stop(self):
        """Makes the thread accept the clients that have connected so far, close the port, and end."""
        self.is_stopping = True
        try:
            self.alarm.settimeout(ACCEPT_PAUSE)
            self.alarm.connect(self.reachable_addr)
        except OSError:
            pass  # it is connected already, or the backlog is full, so the thread is awake

    def join(self):
        self.thread.join()
        self.alarm.close()
# ANCHOR_END: acceptor

    # ANCHOR: accept-clients
    def accept_clients(self, room):
        """Reports each client to the room, until the alarm connects."""
        is_failing = False
        end = None  # when the server stops: the latest time
        with self.listener:
            while True:
                try:
                    stream, peer_addr = self.listener.accept()
                except ConnectionAbortedError:
                    continue  # a client that left before it was accepted
                except OSError as error:
                    if self.is_stopping:
                        break  # all clients that have connected are accepted
                    if not is_failing:  # most likely, all descriptors are in use
                        log(f"cannot accept clients for now: {error}", "WARN")
                    is_failing = True
                    time.sleep(ACCEPT_PAUSE)  # no event reports that a descriptor is free
                    continue
                is_failing = False
                if peer_addr == self.alarm_addr:
                    stream.close()
                    break
                room.events.put((room.join, stream, "%s:%d" % peer_addr))
                if self.is_stopping:
                    self.listener.setblocking(False)
                    end = end or time.monotonic() + STOP_DEADLINE
                    if time.monotonic() >= end:
                        break  # clients that keep connecting must not keep the port open
        room.events.put((room.close,))
    # ANCHOR_END: accept-clients
