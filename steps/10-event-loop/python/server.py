"""Step 10, the server: a room in which nobody waits for anybody, and that stops in an orderly way.

    python3 server.py [HOST:PORT]

One loop owns the whole room. So there is no lock, and no thread that would have to be joined; the
one that waits for the keyboard owns nothing.
"""

import asyncio
import signal
import socket
import sys
import threading
import time

from line import BadLine, LineBuffer, check

BACKLOG = 1024  # clients that may wait to be accepted
MAX_QUEUE_LEN = 256 * 1024  # bytes that may wait for one client
STOP_DEADLINE = 0.3  # seconds that the clients have to take the goodbye and close

KEEPALIVE_IDLE = 10  # seconds of silence before the first probe
KEEPALIVE_INTERVAL = 2  # seconds between two probes
KEEPALIVE_PROBES = 3  # without an answer, the client is gone
USER_TIMEOUT = 16_000  # milliseconds for which what we send may wait


def local_time():
    return time.strftime("%Y-%m-%d %H:%M:%S")


def log(text):
    try:
        print(f"{local_time()}  INFO {text}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the room goes on, also where nobody reads this


class ChatServer:
    """A chat room, and all who are in it."""

    def __init__(self):
        self.members = []  # who is online, in the order in which they came
        self.batch = []  # what this turn of the loop has to tell everybody
        self.stopping = asyncio.Event()
        self.all_gone = asyncio.Event()

    async def run(self, host, port):
        """Runs the room, until it is stopped."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Member(self), host, port, backlog=BACKLOG)
        print("listening on %s:%d" % listener.sockets[0].getsockname()[:2], flush=True)
        for number in signal.SIGINT, signal.SIGTERM:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self.stopping.set))
        threading.Thread(target=self.console, args=(loop,), daemon=True).start()

        await self.stopping.wait()
        log("the server is stopping")
        listener.close()  # nobody new; the port is free
        self.announce("the server is stopping")
        self.deliver()
        for member in self.members:
            member.transport.write_eof()  # behind the goodbye, the client reads end of file
        if self.members:
            try:
                await asyncio.wait_for(self.all_gone.wait(), STOP_DEADLINE)
            except asyncio.TimeoutError:
                log(f"clients that did not close in time: {len(self.members)}")

    def say(self, line):
        """Adds a line to the batch, which goes out when this turn has read all it can."""
        if not self.batch:
            asyncio.get_running_loop().call_soon(self.deliver)
        self.batch.append(line + "\n")

    def announce(self, text):
        """Says what no client can say: there, an address stands where this has the stars."""
        self.say(f"{local_time()} *** {text}")

    def deliver(self):
        """Sends the batch to everybody: the same bytes, so all see the same order."""
        lines, self.batch = self.batch, []
        for member in list(self.members):
            member.send("".join(lines[member.batch_start :]).encode())
            member.batch_start = 0

    def console(self, loop):
        """A thread: `quit` stops the server, anything else shows who is online."""
        for line in sys.stdin:
            if line.strip() == "quit":
                loop.call_soon_threadsafe(self.stopping.set)
                return
            loop.call_soon_threadsafe(self.show_who_is_online)

    def show_who_is_online(self):
        for member in self.members:
            queue_len = member.transport.get_write_buffer_size()
            print(f"{member.name}  since {member.since}  {queue_len} bytes wait", flush=True)
        if not self.members:
            print("nobody is online", flush=True)


class Member(asyncio.Protocol):
    """A client that is online. The loop calls these methods."""

    def __init__(self, room):
        self.room = room
        self.lines = LineBuffer()

    def connection_made(self, transport):
        self.transport = transport
        self.name = "%s:%d" % transport.get_extra_info("peername")[:2]
        self.since = local_time()
        self.batch_start = len(self.room.batch)  # what was said before is not for this client
        set_up(transport.get_extra_info("socket"))
        self.room.members.append(self)
        log(f"{self.name} joined")
        self.room.announce(f"{self.name} joined")

    def data_received(self, data):
        if self.room.stopping.is_set() or self.transport.is_closing():
            return  # it must be read, but nobody is interested any more
        for line in self.lines.push(data):
            try:
                text = check(line)
            except BadLine as bad:
                self.room.deliver()  # what came before this line
                self.send(f"error: {bad}\n".encode())
                continue
            if text.strip() == "quit":
                self.room.deliver()
                self.transport.close()  # when all is sent
                return
            if text.strip():
                self.room.say(f"{local_time()} {self.name} {text}")

    def eof_received(self):
        self.room.deliver()
        return False  # the loop closes the stream when all is sent

    def connection_lost(self, error):
        self.room.members.remove(self)
        if not self.room.stopping.is_set():
            log(f"{self.name} {f'lost: {error}' if error else 'left'}")
            self.room.announce(f"{self.name} left")
        if not self.room.members:
            self.room.all_gone.set()

    def send(self, data):
        """Sends at once what the stream takes; the rest waits, up to a bound."""
        if self.transport.is_closing():
            return
        self.transport.write(data)
        queue_len = self.transport.get_write_buffer_size()
        if queue_len > MAX_QUEUE_LEN:
            log(f"{self.name} dropped: it does not read, {queue_len} bytes wait")
            self.transport.abort()


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


async def main():
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9010").rpartition(":")
    await ChatServer().run(host, int(port))


asyncio.run(main())
