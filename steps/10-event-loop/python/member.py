"""A client, as the server sees it: its stream, the line that it has begun, and the bytes that it has
not taken yet.

Nothing here waits. A recv or a send that would have to wait raises BlockingIOError instead, and is
tried again when the system reports that the stream is ready.
"""

import collections
import socket
from selectors import EVENT_READ, EVENT_WRITE

from line import BadLine, LineBuffer, check
from log import local_time
from rate import RateLimit

READ_LEN = 4096  # bytes; how much one recv may take
MAX_QUEUE_LEN = 256 * 1024  # bytes that may wait for one client

KEEPALIVE_IDLE = 10  # seconds of silence before the first probe
KEEPALIVE_INTERVAL = 2  # seconds between two probes
KEEPALIVE_PROBES = 3  # without an answer, the client is gone
USER_TIMEOUT = 16_000  # milliseconds that sent bytes may wait for their acknowledgement


class Gone(Exception):
    """A client is gone: how, and the level at which to log it."""


# ANCHOR: member
class Member:
    """A client that is online."""

    def __init__(self, stream, name, selector, batch_start, rate):
        set_up(stream)
        self.stream = stream
        self.name = name  # its address
        self.since = local_time()
        self.batch_start = batch_start  # what is before this in the batch was said before it joined
        self.lines = LineBuffer()
        self.unsaid = collections.deque()  # lines that have arrived, while it talks faster than it may
        self.limit = RateLimit(rate)
        self.queue = bytearray()  # what the stream has not taken yet
        self.is_leaving = False  # nothing more is read; when its queue is empty, its stream is closed
        self.is_ending = False  # the server stops; when its queue is empty, end of file is sent
        self.has_ended = False  # it has said `quit`, or ended its stream
        self.is_paused = False  # it is not read from for a while
        self.selector = selector
        self.events = 0  # those that the system reports
        self.watch()
# ANCHOR_END: member

    def __str__(self):
        lines = self.limit.lines_per_second()
        return f"{self.name}  since {self.since}  {lines:.0f} lines/s  {len(self.queue)} bytes wait"

    def close(self):
        if self.events:
            self.selector.unregister(self.stream)
        self.stream.close()

    # ANCHOR: read
    def read(self, room):
        """Reads once, and passes complete lines to the room, as many as the client may say now.

        Returns for how many seconds it must not be read from.
        """
        if not self.unsaid:
            try:
                data = self.stream.recv(READ_LEN)
            except BlockingIOError:
                return 0
            if self.is_ending and data:
                return 0  # it must be read: closing a stream with unread input would destroy the goodbye
            self.has_ended = not data
            self.unsaid.extend(self.lines.push(data))
        answers = ""  # to bad lines; they follow everything that was said before these
        while self.unsaid and not self.limit.wait():
            line = self.unsaid.popleft()
            self.limit.take()
            try:
                text = check(line)
            except BadLine as bad:
                room.deliver()
                answers += f"error: {bad}\n"
                continue
            if answers:
                self.send(answers.encode())
                answers = ""
            if text.strip() == "quit":
                self.has_ended = True
                self.unsaid.clear()
                break
            if text.strip():
                room.say(f"{local_time()} {self.name} {text}\n")
        self.send(answers.encode())
        if self.has_ended and not self.unsaid:
            room.deliver()
            self.is_leaving = True
            self.send_queue()
        return self.limit.wait()
    # ANCHOR_END: read

    # ANCHOR: send
    def send(self, data):
        """Sends at once what the stream takes. The rest waits in the queue, up to a limit."""
        if self.is_leaving:
            return
        self.queue += data
        self.send_queue()
        if len(self.queue) > MAX_QUEUE_LEN:
            raise Gone(f"dropped: it does not read, {len(self.queue)} bytes wait", "WARN")

    def send_queue(self):
        """Sends as much of the queue as the stream takes."""
        try:
            while self.queue:
                sent_len = self.stream.send(self.queue)
                del self.queue[:sent_len]
        except BlockingIOError:
            pass
        if self.is_leaving and not self.queue:
            raise Gone("left")
        if self.is_ending and not self.queue:
            self.stream.shutdown(socket.SHUT_WR)
        self.watch()
    # ANCHOR_END: send

    def pause(self, is_paused):
        """Starts or ends a pause, in which it is not read from."""
        self.is_paused = is_paused
        self.watch()

    def watch(self):
        """Registers the events of interest. A stream can nearly always be written to, so that event is of
        interest only while something waits.
        """
        is_read = not (self.is_leaving or self.is_paused)
        events = (EVENT_READ if is_read else 0) | (EVENT_WRITE if self.queue else 0)
        if events == self.events:
            return
        if self.events:
            self.selector.unregister(self.stream)
        if events:
            self.selector.register(self.stream, events, self)
        self.events = events

    # ANCHOR: end
    def end(self):
        """Sends what is in the queue, and then the end of file."""
        self.is_ending, self.is_paused = True, False
        self.unsaid.clear()
        self.send_queue()
    # ANCHOR_END: end


def set_up(stream):
    """Makes recv and sendall fail when the client has vanished without a FIN."""
    stream.setblocking(False)
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
