r"""Step 09, the server: every client receives each line, and one client cannot hold up the others.

    python3 server.py [HOST:PORT] [--max-clients N]

One thread owns the room, so the room needs no lock. The other threads put events into its queue:

    acceptor ------------------ join ----\
    alice --> reading thread -- say -----+             +--> queue --> writing thread --> alice
    bob ----> reading thread -- remove --+--> owner ---+
    console ------------------- online --+             +--> queue --> writing thread --> bob
    Ctrl-C -------------------- stop ----/
"""

import argparse
import queue
import signal
import socket
import threading
import time

from acceptor import STOP_DEADLINE, Acceptor
from connection import Connection, turn_away
from console import console_lines
from log import finish_log, local_time, log
from program import address

EVENTS = 256  # that may wait for the owner; then the threads that send them wait, and their clients
BATCH_LEN = 64 * 1024  # bytes; such a batch is delivered, even if more events wait
DEFAULT_MAX_CLIENTS = 4096


# ANCHOR: server
class ChatServer:
    """A chat room. Other threads call `stop` and `online`, or put an event into its queue.

    An event is a method of the room and its arguments. Only the owner calls it.
    """

    def __init__(self, max_clients):
        self.max_clients = max_clients
        self.events = queue.Queue(EVENTS)
        self.connections = []  # those whose threads run, in the order in which the clients joined
        self.batch = bytearray()  # what has been said since the last delivery
        self.is_open = True

    def bind(self, host, port):
        """Listens on this address, and returns it with the actual port."""
        self.acceptor = Acceptor(host, port)
        return self.acceptor.addr
# ANCHOR_END: server

    # ANCHOR: run
    def run(self):
        """Runs the room until it is stopped. The thread that calls this owns the room."""
        self.acceptor.start(self)
        count = 0
        while self.is_open:
            # What arrives meanwhile goes into the same batch: sending a hundred lines costs about as
            # much as sending one.
            handle, *args = self.events.get()
            handle(*args)
            count += 1
            if self.events.empty() or len(self.batch) >= BATCH_LEN or count % EVENTS == 0:
                self.deliver()
        self.acceptor.join()
        self.say_goodbye()
    # ANCHOR_END: run

    # ANCHOR: stop
    def say_goodbye(self):
        """Stops the server in this order, and in time, whatever the clients do. The port is already closed."""
        log("the server is stopping")
        self.announce("the server is stopping")
        self.deliver()
        for member in self.members():
            member.leave()  # after the goodbye, the client reads end of file, and closes
        self.wait_for_connections()
        if self.connections:
            log(f"clients that did not close in time: {len(self.connections)}")
            for connection in self.connections:
                connection.shut_down()  # wakes the threads that wait for the client
            self.wait_for_connections()  # on Windows, a thread in recv does not wake

    def wait_for_connections(self):
        """Waits until the threads of all connections have ended, or the time is over."""
        deadline = time.monotonic() + STOP_DEADLINE
        while self.connections and (left := deadline - time.monotonic()) > 0:
            try:
                handle, *args = self.events.get(timeout=left)
            except queue.Empty:
                return
            if handle == self.forget:  # what clients still say is read, but not passed on
                handle(*args)
    # ANCHOR_END: stop

    # Two methods for other threads. An event does the work.

    def stop(self):
        """Asks the server to stop. `run` returns when everything has ended."""
        self.events.put((self.acceptor.stop,))

    def online(self):
        """Returns a line for each client that is online, in the order in which they joined."""
        answer = queue.SimpleQueue()
        self.events.put((self.list_members, answer))
        return answer.get()

    # All other methods are for the owner.

    def list_members(self, answer):
        answer.put([
            f"{member.name}  since {member.since}  {member.waiting} bytes wait"
            for member in self.members()
        ])

    def members(self):
        """Returns the connections of the clients that are online."""
        return [connection for connection in self.connections if connection.is_online]

    # ANCHOR: join
    def join(self, stream, name):
        """Adds a client, starts its threads, and announces it; or turns it away."""
        if len(self.connections) >= self.max_clients:  # those that have left count until they end
            turn_away(stream, name, "the room is full")
            stream.close()
            return
        connection = Connection(self, stream, name, len(self.batch))
        try:
            connection.start()
        except (OSError, RuntimeError):  # it has gone, or there are too many threads
            return  # it was turned away
        self.connections.append(connection)
        log(f"{name} joined")
        self.announce(f"{name} joined")

    def remove(self, member, how, level="INFO"):
        """Removes a client, and announces that to the others. Its writing thread sends the rest."""
        if member.is_online:  # it may have been dropped before
            member.leave()
            log(f"{member.name} {how}", level)
            if self.is_open:  # otherwise, the goodbye is the last line
                self.announce(f"{member.name} left")

    def forget(self, connection):
        """Forgets a connection whose threads have nothing more to do."""
        connection.join()
        self.connections.remove(connection)
    # ANCHOR_END: join

    def close(self):
        """Ends the loop of `run`: the port is closed, so no more clients will join."""
        self.is_open = False

    # ANCHOR: say
    def say(self, member, text):
        """Adds what a client has said to the batch, unless the client was dropped before."""
        if member.is_online:
            line = text.encode()
            self.batch += line
            member.said_len += len(line)
            member.has_spoken = True

    def announce(self, text):
        """Adds a line that no client can forge: a client's line has an address in place of the stars."""
        self.batch += f"{local_time()} *** {text}\n".encode()

    def refuse(self, member, bad):
        """Answers a line that is refused, after delivering what the client said before it."""
        if member.is_online:
            self.send(member, f"error: {bad}\n".encode())
            member.give_turn()
    # ANCHOR_END: say

    # ANCHOR: deliver
    def deliver(self):
        """Puts the batch into every client's queue. All clients get the same bytes, in the same order."""
        while self.batch:  # dropping a client adds an announcement: one more batch
            batch, self.batch = bytes(self.batch), bytearray()
            for member in self.members():
                start, member.batch_start = member.batch_start, 0
                self.send(member, batch[start:])
                if member.has_spoken:
                    member.has_spoken = False
                    member.give_turn()

    def send(self, member, data):
        """Adds to the queue of a client. A client whose queue has no room for it is dropped."""
        if not member.push(data):
            others = [other for other in self.members() if other is not member]
            loudest = max(others, key=lambda other: other.said_len, default=None)
            name = loudest.name if loudest else "none"
            how = f"dropped: it does not read, {member.waiting} bytes wait; loudest: {name}"
            self.remove(member, how, "WARN")
            member.shut_down()  # its writing thread waits for it, and is woken
    # ANCHOR_END: deliver


# ANCHOR: start
def console(server):
    """A daemon thread, since nothing but the keyboard can wake it: `quit` stops the server."""
    # A file of its own: at exit, Python would wait for the thread that reads from `sys.stdin`.
    for line in console_lines(open(0, "rb", closefd=False)):
        if line.strip() == b"quit":
            server.stop()
            return
        try:
            print("\n".join(server.online() or ["no client is online"]), flush=True)
        except OSError:
            pass  # the room continues, even if nothing can be printed
# ANCHOR_END: start


def wait_for_signal(server, signals):
    """A daemon thread: stops the server at Ctrl-C, or when the system asks the program to end."""
    signals.recv(1)
    server.stop()


def catch_signals():
    """Returns a socket on which the numbers of the signals arrive.

    A handler runs in the main thread, which may be inside its queue just then, with the lock of the
    queue. A handler that needs that lock would wait forever, so these do nothing.
    """
    signals, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.detach())
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda *_: None)
    return signals


# ANCHOR: serve
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("addr", nargs="?", default="127.0.0.1:9009", metavar="HOST:PORT")
    parser.add_argument("--max-clients", default=DEFAULT_MAX_CLIENTS, type=int, metavar="N")
    args = parser.parse_args()
    addr = args.addr
    host, port = address(addr)
    server = ChatServer(args.max_clients)
    local_addr = server.bind(host, port)
    signals = catch_signals()
    threading.Thread(target=wait_for_signal, args=(server, signals), daemon=True).start()
    print("listening on %s:%d" % local_addr, flush=True)
    threading.Thread(target=console, args=(server,), daemon=True).start()
    server.run()
    finish_log()
# ANCHOR_END: serve


main()
