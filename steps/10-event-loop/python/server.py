r"""Step 10, the server: the room of step 09, with one thread that never waits for a client.

    python3 server.py [HOST:PORT] [--max-clients N] [--rate LINES]

The thread asks the system which of all its sockets are ready, does what can be done at once, and asks
again. Other threads send it requests, and wake it:

                    +------------ one turn of the loop -------------+
    console \       |                                               |
    Ctrl-C   --> requests --> accept --> read ----> deliver them -->|
                    |         clients    lines      to the clients  |
                    +-----------------------------------------------+
"""

import argparse
import heapq
import queue
import re
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
from selectors import EVENT_READ, EVENT_WRITE

from console import console_lines
from log import finish_log, local_time, log
from member import Gone, Member
from program import address

BACKLOG = 1024  # clients that may wait to be accepted
ACCEPTS_PER_TURN = 64  # clients; more would delay those that are online
ACCEPT_PAUSE = 0.1  # seconds; after an error of accept
BATCH_LEN = 64 * 1024  # bytes; when a turn has read this much, it delivers
STOP_DEADLINE = 0.3  # seconds that the clients have to receive the goodbye and close
DEFAULT_MAX_CLIENTS = 4096
DEFAULT_RATE = 10  # lines per second
ADDRESS = re.compile("[0-9.]+:[0-9]+")  # of a client


# ANCHOR: server
class ChatServer:
    """A chat room. The thread that calls `run` owns it; others may call `stop`, `online` and `kick`."""

    def __init__(self, max_clients, rate):
        self.max_clients = max_clients
        self.rate = rate  # lines per second that each client may say; 0 means any number
        self.selector = selectors.DefaultSelector()
        self.members = {}  # their streams, in the order in which they joined, and the members
        self.ready = {}  # those with something to read; the first is the next to be read from
        self.paused = []  # a heap: when to read again from a client that talks too fast, its name, itself
        self.batch = bytearray()  # what this turn has to deliver
        self.is_running = True
        self.is_accept_failing = False
        self.requests = queue.SimpleQueue()  # each a method; another queue would need a lock
        self.waker, self.alarm = socket.socketpair()
# ANCHOR_END: server

    # ANCHOR: bind
    def bind(self, host, port):
        """Listens on this address, and returns it with the actual port."""
        self.listener = socket.create_server((host, port), backlog=BACKLOG)
        for stream in self.listener, self.waker, self.alarm:
            stream.setblocking(False)
        self.selector.register(self.listener, EVENT_READ, self.accept_clients)
        self.selector.register(self.waker, EVENT_READ, self.answer_requests)
        return self.listener.getsockname()
    # ANCHOR_END: bind

    # What other threads and signal handlers may call.

    # ANCHOR: handle
    def stop(self):
        """Asks the server to stop. `run` returns when everything has ended."""
        self.request(self.end)

    def online(self):
        """Returns a line for each client that is online, the loudest first."""
        answer = queue.SimpleQueue()
        self.request(lambda: answer.put([str(member) for member in self.loudest_first()]))
        return answer.get()

    def kick(self, name):
        """Removes the client with this address, and returns whether there was one."""
        answer = queue.SimpleQueue()
        self.request(lambda: answer.put(self.throw_out(name)))
        return answer.get()

    def request(self, method):
        self.requests.put(method)
        try:
            self.alarm.send(b"!")
        except BlockingIOError:
            pass  # the socket is full of requests, so the server is awake
    # ANCHOR_END: handle

    # The loop.

    # ANCHOR: run
    def run(self):
        """Runs the room until it is stopped."""
        while self.is_running:
            self.wait(self.timeout())
            if self.is_accept_failing:
                self.accept_clients()
            self.read_members()
            self.deliver()
        self.say_goodbye()
    # ANCHOR_END: run

    # ANCHOR: timeout
    def timeout(self):
        """Returns how many seconds the next turn may wait for events; None means until there is one."""
        if self.ready:
            return 0
        pauses = [max(0, self.paused[0][0] - time.monotonic())] if self.paused else []
        if self.is_accept_failing:
            pauses.append(ACCEPT_PAUSE)
        return min(pauses, default=None)
    # ANCHOR_END: timeout

    # ANCHOR: on-event
    def wait(self, timeout):
        """Waits until a socket is ready, and does what can be done. Reading is left to `read_members`."""
        for key, events in self.selector.select(timeout):
            if isinstance(key.data, Member):
                if events & EVENT_WRITE:
                    self.attempt(key.data, key.data.send_queue)
                if events & EVENT_READ and key.data.stream in self.members:
                    self.ready[key.data] = True
            else:
                key.data()
    # ANCHOR_END: on-event

    # ANCHOR: requests
    def answer_requests(self):
        """Answers the requests of other threads."""
        self.waker.recv(4096)
        while not self.requests.empty():
            self.requests.get()()

    def end(self):
        self.is_running = False
    # ANCHOR_END: requests

    # ANCHOR: accept
    def accept_clients(self, most=ACCEPTS_PER_TURN):
        """Accepts the clients that wait, at most `most` of them."""
        try:
            for _ in range(most):
                stream, peer_addr = self.listener.accept()
                self.join(stream, "%s:%d" % peer_addr)
        except (BlockingIOError, ConnectionAbortedError):
            pass  # no client waits, or it left before it was accepted
        except OSError as error:  # most likely, all descriptors are in use
            if not self.is_accept_failing:
                log(f"cannot accept clients for now: {error}", "WARN")
                self.selector.unregister(self.listener)  # otherwise, it would be ready all the time
                self.is_accept_failing = True
            return
        if self.is_accept_failing:
            self.selector.register(self.listener, EVENT_READ, self.accept_clients)
            self.is_accept_failing = False
    # ANCHOR_END: accept

    # ANCHOR: read
    def read_members(self):
        """Reads once from each client that is ready, until the batch is full.

        A client that sends without end has the same turns as the others. One that talks faster than it
        may is not read from for a while.
        """
        while self.paused and self.paused[0][0] <= time.monotonic():
            *_, member = heapq.heappop(self.paused)
            if member.stream in self.members:
                member.pause(False)
                self.ready[member] = True
        for member in list(self.ready):
            if len(self.batch) >= BATCH_LEN:
                return  # the others are the first in the next turn
            if self.ready.pop(member, None):  # it may have been dropped meanwhile
                pause = self.attempt(member, member.read, self)
                if pause and member.stream in self.members:
                    member.pause(True)
                    heapq.heappush(self.paused, (time.monotonic() + pause, member.name, member))
    # ANCHOR_END: read

    # The room.

    def join(self, stream, name):
        """Adds a client, and announces it. If the room is full, the client is turned away."""
        if len(self.members) >= self.max_clients:
            turn_away(stream, name, "the room is full")
            return
        try:
            member = Member(stream, name, self.selector, len(self.batch), self.rate)
        except OSError as error:  # it has gone already
            stream.close()
            log(f"{name} lost: {error.strerror}")
            return
        self.members[stream] = member
        log(f"{name} joined")
        self.announce(f"{name} joined")

    def attempt(self, member, method, *args):
        """Calls a method of a client, and returns its result. If the client is gone, it is removed."""
        try:
            return method(*args)
        except Gone as gone:
            self.remove(member, *gone.args)
        except OSError as error:
            self.remove(member, f"lost: {error.strerror}")
        return None

    def loudest_first(self):
        return sorted(self.members.values(), key=lambda member: -member.limit.lines_per_second())

    def throw_out(self, name):
        for member in self.members.values():
            if member.name == name:
                self.attempt(member, member.send, b"error: you were removed from the room\n")
                self.remove(member, "kicked", "WARN")
                return True
        return False

    # ANCHOR: remove
    def remove(self, member, how, level="INFO"):
        """Removes a client, and announces that to the others."""
        if self.members.pop(member.stream, None):  # it may have been dropped before
            self.ready.pop(member, None)
            member.close()
            if self.is_running:  # otherwise, the goodbye is the last line
                log(f"{member.name} {how}", level)
                self.announce(f"{member.name} left")
    # ANCHOR_END: remove

    def say(self, line):
        self.batch += line.encode()

    def announce(self, text):
        """Adds a line that no client can forge: a client's line has an address in place of the stars."""
        self.say(f"{local_time()} *** {text}\n")

    # ANCHOR: deliver
    def deliver(self):
        """Sends the batch to every client. All get the same bytes, in the same order."""
        while self.batch:  # removing a client adds an announcement: one more batch
            batch, self.batch = bytes(self.batch), bytearray()
            for member in list(self.members.values()):
                start, member.batch_start = member.batch_start, 0
                self.attempt(member, member.send, batch[start:])
    # ANCHOR_END: deliver

    # ANCHOR: stop
    def say_goodbye(self):
        """Stops the server in this order, and in time, whatever the clients do."""
        log("the server is stopping")
        self.accept_clients(BACKLOG)  # the clients that have connected get the goodbye as well
        if not self.is_accept_failing:
            self.selector.unregister(self.listener)
        self.listener.close()
        self.announce("the server is stopping")
        self.deliver()
        for member in list(self.members.values()):
            self.attempt(member, member.end)  # after the goodbye, the client reads end of file
        deadline = time.monotonic() + STOP_DEADLINE
        while self.members and (now := time.monotonic()) < deadline:
            self.wait(0 if self.ready else deadline - now)
            self.read_members()
        if self.members:
            log(f"clients that did not close in time: {len(self.members)}")
    # ANCHOR_END: stop


def turn_away(stream, name, reason):
    """Sends a client one line with the reason why it cannot join, and closes the connection."""
    log(f"{name} turned away: {reason}", "WARN")
    with stream:
        try:
            stream.send(f"error: {reason}; try again later\n".encode())
        except OSError:
            pass  # it has gone already


def console(server):
    """A daemon thread, since nothing but the keyboard can wake it: `quit` stops the server, `kick ADDR`
    removes a client, and anything else lists who is online.
    """
    # A file of its own: at exit, Python would wait for the thread that reads from `sys.stdin`.
    for line in console_lines(open(0, "rb", closefd=False)):
        if line.strip() == b"quit":
            server.stop()
            return
        try:
            command, *addr = line.decode(errors="replace").split(maxsplit=1) or [""]
            addr = "".join(addr).strip()
            if command != "kick":
                print("\n".join(listed(server.online())), flush=True)
            elif not ADDRESS.fullmatch(addr):
                print("type kick and an address from the list of clients", flush=True)
            elif not server.kick(addr):
                print(f"no client has the address {addr}", flush=True)
        except OSError:
            pass  # the room continues, even if nothing can be printed


def listed(online):
    """Returns what the console prints about these clients: not more lines than the screen has."""
    if not online:
        return ["no client is online"]
    count = len(online)
    first = "1 client is online" if count == 1 else f"{count} clients are online"
    if not sys.stdout.isatty():
        return [first, *online]
    fit = max(1, shutil.get_terminal_size().lines - 3)
    return [first, *online[:fit], *([f"… and {count - fit} more"] if count > fit else [])]


def count(text):
    """Returns a number from the command line: of clients, or of lines."""
    if not re.fullmatch("[0-9]{1,10}", text):
        raise ValueError(f"{text} is not a number")
    return int(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("addr", nargs="?", default="127.0.0.1:9010", metavar="HOST:PORT")
    parser.add_argument("--max-clients", default=DEFAULT_MAX_CLIENTS, type=count, metavar="N")
    parser.add_argument("--rate", default=DEFAULT_RATE, type=count, metavar="LINES")
    args = parser.parse_args()
    addr = args.addr
    host, port = address(addr)
    server = ChatServer(args.max_clients, args.rate)
    local_addr = server.bind(host, port)
    print("listening on %s:%d" % local_addr, flush=True)
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda *_: server.stop())
    signal.set_wakeup_fd(server.alarm.fileno())  # on Windows, no handler can run during a select
    threading.Thread(target=console, args=(server,), daemon=True).start()
    server.run()
    finish_log()


main()
