"""Step 10, the client: sends each line of its input, and prints what every client says.

    python3 client.py [HOST:PORT]
"""

import socket
import sys
import threading

from input import read_line
from line import MAX_LINE_LEN, LineBuffer, is_control
from program import address, report

READ_LEN = 4096  # bytes; how much one recv may take
MAX_PREFIX_LEN = 128  # bytes that the server may put before a line
TIME_LEN = len("2026-11-23 08:23:04")  # characters; each line begins with the time
GOODBYE = " *** the server is stopping"  # no client can forge it: a client's line has an address there


def harmless(text):
    """Returns the text with its control characters escaped: they do not affect the terminal."""
    return "".join(repr(c)[1:-1] if is_control(c) else c for c in text)


class ChatClient:
    """One end of a conversation with the room."""

    def __init__(self, addr):
        self.addr = addr
        self.stream = socket.create_connection(address(addr))
        self.is_leaving = False

    def run(self):
        """Talks to the server until one of the sides ends; returns the exit code."""
        # A daemon, which nothing waits for: it may be waiting for the keyboard.
        threading.Thread(target=self.send_lines, daemon=True).start()
        last_line = self.show_lines()
        if self.is_leaving or last_line[TIME_LEN:] == GOODBYE:
            return 0
        print(f"error: {self.addr}: the server closed the connection", file=sys.stderr, flush=True)
        return 1

    def show_lines(self):
        """Prints the lines that arrive until the server closes the connection, and returns the last
        one. If the connection breaks, no line was the last one."""
        lines = LineBuffer(MAX_PREFIX_LEN + MAX_LINE_LEN)
        text = ""
        while True:
            try:
                data = self.stream.recv(READ_LEN)
            except OSError:
                return ""
            if not data:
                return text
            for line in lines.push(data):
                text = harmless(line.decode(errors="replace").rstrip("\r"))
                print(text, flush=True)

    def send_lines(self):
        """Sends the lines of the input until it ends, or one of them is `quit`."""
        # A file of its own: at exit, Python would wait for the thread that reads from `sys.stdin`.
        keyboard = open(0, "rb", closefd=False)
        while (line := read_line(keyboard)) is not None and line.strip() != b"quit":
            if len(line) > MAX_LINE_LEN:
                problem = f"a line has at most {MAX_LINE_LEN} bytes; this one was not sent"
                print(f"error: {problem}", file=sys.stderr)
                continue
            try:
                self.stream.sendall(line + b"\n")
            except OSError:
                return  # show_lines notices that, too, and first shows what has arrived
        self.is_leaving = True
        try:
            self.stream.shutdown(socket.SHUT_WR)  # end of file for the server
        except OSError:
            pass  # the connection has ended already


addr = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9010"
threading.excepthook = lambda args: report(*args[:3])  # it ends the program, not only the thread
sys.exit(ChatClient(addr).run())
