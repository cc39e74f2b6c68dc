"""A client, as the server sees it: its stream, the line that it has begun, and what it has not taken
yet of what was said.

Nothing here waits. If a recv or a send would have to, it raises BlockingIOError instead, and is
tried again when the system reports that the stream is ready.
"""

import socket
from selectors import EVENT_READ, EVENT_WRITE

from line import BadLine, LineBuffer, check
from log import local_time

READ_LEN = 4096  # bytes; how much one recv may take
MAX_QUEUE_LEN = 256 * 1024  # bytes that may wait for one client

KEEPALIVE_IDLE = 10  # seconds of silence before the first probe
KEEPALIVE_INTERVAL = 2  # seconds between two probes
KEEPALIVE_PROBES = 3  # without an answer, the client is gone
USER_TIMEOUT = 16_000  # milliseconds for which what we send may wait


class Gone(Exception):
    """A client is gone: how, and the level at which to log it."""


class Member:
    """A client that is online."""

    def __init__(self, stream, name, selector, batch_start):
        set_up(stream)
        self.stream = stream
        self.name = name  # its address
        self.since = local_time()
        self.batch_start = batch_start  # what is before this in the batch was said before it joined
        self.lines = LineBuffer()
        self.queue = bytearray()  # what the stream has not taken yet
        self.is_leaving = False  # nothing more is read; when its queue is empty, its stream is closed
        self.is_ending = False  # the server stops; when its queue is empty, end of file is sent
        self.selector = selector
        self.events = EVENT_READ
        selector.register(stream, self.events, self)

    def __str__(self):
        return f"{self.name}  since {self.since}  {len(self.queue)} bytes wait"

    def close(self):
        self.selector.unregister(self.stream)
        self.stream.close()

    def read(self, room):
        """Reads once, and passes complete lines to the room."""
        try:
            data = self.stream.recv(READ_LEN)
        except BlockingIOError:
            return
        if self.is_ending and data:
            return  # it must be read: closing a stream with unread input would destroy the goodbye
        answers = ""  # to bad lines; they follow everything that was said before these
        for line in self.lines.push(data):
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
                data = b""
                break
            if text.strip():
                room.say(f"{local_time()} {self.name} {text}\n")
        self.send(answers.encode())
        if not data:
            room.deliver()
            self.is_leaving = True
            self.send_queue()

    def send(self, data):
        """Sends at once what the stream takes. The rest waits in the queue, up to a limit."""
        if self.is_leaving:
            return
        self.queue += data
        self.send_queue()
        if len(self.queue) > MAX_QUEUE_LEN:
            raise Gone(f"dropped: it does not read, {len(self.queue)} bytes wait", "WARN")

    def send_queue(self):
        """Sends what is in the queue, as far as the stream takes it."""
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
        # What the system is to report. A stream can nearly always be written to: that is only of
        # interest while something waits.
        events = (0 if self.is_leaving else EVENT_READ) | (EVENT_WRITE if self.queue else 0)
        if events != self.events:
            self.events = events
            self.selector.modify(self.stream, events, self)

    def end(self):
        """Sends what is in the queue, and then the end of file."""
        self.is_ending = True
        self.send_queue()


def set_up(stream):
    """Has the system find out when the client vanishes without a word."""
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
