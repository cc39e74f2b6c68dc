"""A connection to one client: a reading thread, a writing thread, and the queue between the room and
the writing thread.

    client --> read_lines  --> events --> owner of the room
    client <-- write_queue <-- queue <---/
"""

import queue
import socket
import threading

from line import BadLine, LineBuffer, check
from log import local_time, log

READ_LEN = 4096  # bytes; how much one recv may take
MAX_SAID_LEN = 16 * 1024  # characters of what a client says that are passed on at a time
MAX_QUEUE_LEN = 1024 * 1024  # bytes that may wait for one client
MAX_UNREAD = 16 * 1024  # while more bytes wait for a client, nothing that it says is passed on

KEEPALIVE_IDLE = 10  # seconds of silence before the first probe
KEEPALIVE_INTERVAL = 2  # seconds between two probes
KEEPALIVE_PROBES = 3  # without an answer, the client is gone
USER_TIMEOUT = 16_000  # milliseconds that sent bytes may wait for their acknowledgement


class Connection:
    """A client. Its two threads run `serve` and `write_queue`; the owner of the room calls the rest."""

    def __init__(self, room, stream, name, batch_start):
        self.room = room
        self.stream = stream
        self.name = name  # its address
        self.since = local_time()
        self.batch_start = batch_start  # what is before this in the batch was said before it joined
        self.is_online = True
        self.has_spoken = False  # the batch has something that this client said
        self.said_len = 0  # how many bytes its lines have had so far
        self.queue = queue.SimpleQueue()
        # What both threads and the owner share. Each change wakes the reading thread.
        self.level = threading.Condition()
        self.waiting = 0  # bytes in the queue
        self.is_unheard = False  # the room has not yet passed on what the client said last
        self.is_over = False  # the writing thread has ended
        # Daemon threads: one that does not wake in time ends with the process.
        self.reading = threading.Thread(target=self.serve, daemon=True)
        self.writing = threading.Thread(target=self.write_queue, daemon=True)

    # ANCHOR: start
    def start(self):
        """Starts the two threads. If one cannot be started, the client is turned away."""
        try:
            set_up(self.stream)
            self.writing.start()
            self.reading.start()
        except (OSError, RuntimeError) as error:
            turn_away(self.stream, self.name, error)
            self.leave()  # the writing thread ends, if it has started
            self.stream.close()
            raise

    def join(self):
        """Waits for the threads of a connection that has ended."""
        self.reading.join()
        self.stream.close()

    def shut_down(self):
        """Ends the connection: a thread that waits for the client is woken."""
        try:
            self.stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the connection has ended already
    # ANCHOR_END: start

    # ANCHOR: queue
    def push(self, data):
        """Adds to the queue, and returns whether there was room for it."""
        with self.level:
            if self.waiting + len(data) > MAX_QUEUE_LEN:
                return False
            self.waiting += len(data)
        self.queue.put(data)
        return True

    def give_turn(self):
        """Records that the room has passed on what the client said, so that it may speak again."""
        with self.level:
            self.is_unheard = False
            self.level.notify()

    def leave(self):
        """Ends the queue. The writing thread sends what is in it, and then the end of file."""
        self.is_online = False
        self.queue.put(None)
    # ANCHOR_END: queue

    # ANCHOR: write-queue
    def write_queue(self):
        """Sends what is in the queue. A client that does not read makes this thread wait, and no
        other."""
        try:
            while (data := self.queue.get()) is not None:
                with self.level:
                    self.waiting -= len(data)
                    self.level.notify()
                self.stream.sendall(data)
            self.stream.shutdown(socket.SHUT_WR)
        except OSError as error:
            # The reading thread will see the end of the stream, and not why.
            self.room.events.put((self.room.remove, self, f"lost: {error.strerror}"))
            self.shut_down()
        with self.level:
            self.is_over = True
            self.level.notify()
    # ANCHOR_END: write-queue

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

    # ANCHOR: read-lines
    def read_lines(self):
        """Reports what the client says, until it leaves."""
        lines = LineBuffer()
        said = ""
        while data := self.stream.recv(READ_LEN):
            prefix = f"{local_time()} {self.name} "
            for line in lines.push(data):
                try:
                    text = check(line)
                except BadLine as bad:
                    said = self.report_said(said)
                    self.report(self.room.refuse, bad)
                    continue
                if text.strip() == "quit":
                    self.report_said(said)
                    return
                if text.strip():
                    said += f"{prefix}{text}\n"
                if len(said) >= MAX_SAID_LEN:
                    said = self.report_said(said)
            said = self.report_said(said)
    # ANCHOR_END: read-lines

    # ANCHOR: reporter
    def report_said(self, said):
        """Reports lines that the client has said, if there are any; returns an empty list for the next ones."""
        if said:
            self.report(self.room.say, said)
        return ""

    def report(self, handle, what):
        """Reports what the client said, when it has read most of what waits for it. Waits until the
        owner has dealt with it. Meanwhile, what the client sends waits in the system."""
        with self.level:
            self.level.wait_for(lambda: self.is_over or self.waiting <= MAX_UNREAD)
            self.is_unheard = True
        self.room.events.put((handle, self, what))
        with self.level:
            self.level.wait_for(lambda: self.is_over or not self.is_unheard)
    # ANCHOR_END: reporter


def turn_away(stream, name, reason):
    """Sends a client one line with the reason why it cannot join."""
    log(f"{name} turned away: {reason}", "WARN")
    try:
        stream.sendall(f"error: {reason}; try again later\n".encode())
    except OSError:
        pass  # it has gone already


def set_up(stream):
    """Makes recv and sendall fail when the client has vanished without a FIN."""
    stream.setblocking(True)  # on some systems, inherited from the listener
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
