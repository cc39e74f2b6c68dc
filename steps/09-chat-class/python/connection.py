"""A connection to one client: a reading thread, a writing thread, and the queue between the room and
the writing thread.

    client --> read_lines  --> events --> owner of the room
    client <-- write_queue <-- queue <---/
"""

import queue
import socket
import threading

from line import BadLine, LineBuffer, check
from log import local_time

READ_LEN = 4096  # bytes; how much one recv may take
MAX_QUEUE_LEN = 256 * 1024  # bytes that may wait for one client

KEEPALIVE_IDLE = 10  # seconds of silence before the first probe
KEEPALIVE_INTERVAL = 2  # seconds between two probes
KEEPALIVE_PROBES = 3  # without an answer, the client is gone
USER_TIMEOUT = 16_000  # milliseconds for which what we send may wait


class Connection:
    """A client. Its two threads run `serve` and `write_queue`; the owner of the room calls the rest."""

    def __init__(self, room, stream, name, batch_start):
        self.room = room
        self.stream = stream
        self.name = name  # its address
        self.since = local_time()
        self.batch_start = batch_start  # what is before this in the batch was said before it joined
        self.is_online = True
        self.queue = queue.SimpleQueue()
        # In bytes. Each number has one thread that changes it, so no lock is needed.
        self.queued_len = 0
        self.sent_len = 0
        # Daemon threads: one that does not wake in time ends with the process.
        self.reading = threading.Thread(target=self.serve, daemon=True)
        self.writing = threading.Thread(target=self.write_queue, daemon=True)

    def start(self):
        """Starts the two threads. If one cannot be started, the other ends."""
        try:
            set_up(self.stream)
            self.writing.start()
            self.reading.start()
        except (OSError, RuntimeError):
            self.leave()
            self.stream.close()
            raise

    def join(self):
        """Waits for the threads of a connection that has ended."""
        self.reading.join()
        self.stream.close()

    def shut_down(self):
        """Ends the connection: a thread that waits for the client waits no longer."""
        try:
            self.stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the connection has ended already

    def push(self, data):
        """Adds to the queue, and returns whether there was room for it."""
        if self.queue_len() + len(data) > MAX_QUEUE_LEN:
            return False
        self.queued_len += len(data)
        self.queue.put(data)
        return True

    def queue_len(self):
        """Returns how many bytes wait."""
        return self.queued_len - self.sent_len

    def leave(self):
        """Ends the queue. The writing thread sends what is in it, and then the end of file."""
        self.is_online = False
        self.queue.put(None)

    def write_queue(self):
        """Sends what is in the queue. A client that does not read makes this thread wait, and no
        other."""
        try:
            while (data := self.queue.get()) is not None:
                self.stream.sendall(data)
                self.sent_len += len(data)
            self.stream.shutdown(socket.SHUT_WR)
        except OSError as error:
            # The reading thread will see the end of the stream, and not why.
            self.room.events.put((self.room.remove, self, f"lost: {error.strerror}"))
            self.shut_down()

    def serve(self):
        """Reports what the client says, that it has left, and that both threads are about to end."""
        how = "left"
        try:
            self.read_lines()
        except OSError as error:
            how = f"lost: {error.strerror}"
        self.room.events.put((self.room.remove, self, how))
        self.writing.join()
        self.room.events.put((self.room.forget, self))

    def read_lines(self):
        """Reports what the client says, until it leaves."""
        lines = LineBuffer()
        while data := self.stream.recv(READ_LEN):
            now = local_time()
            for line in lines.push(data):
                try:
                    text = check(line)
                except BadLine as bad:
                    self.room.events.put((self.room.refuse, self, bad))
                    continue
                if text.strip() == "quit":
                    return
                if text.strip():
                    self.room.events.put((self.room.say, self, f"{now} {self.name} {text}\n"))


def set_up(stream):
    """Has the system find out when the client vanishes without a word."""
    stream.setblocking(True)  # some systems take this over from the listener
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
