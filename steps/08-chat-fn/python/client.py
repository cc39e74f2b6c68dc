"""Step 08, the client: sends the lines of its input, and prints the lines of all clients.

    python3 client.py [HOST:PORT]
"""

import os
import socket
import sys
import threading

from input import read_line
from line import MAX_LINE_LEN, LineBuffer, is_control
from program import address, report

READ_LEN = 4096  # bytes; the most that one recv returns
MAX_PREFIX_LEN = 128  # bytes; the most that the server may put before a line


# ANCHOR: show-lines
def harmless(text):
    """Returns the text with its control characters escaped, so that they do not affect the terminal."""
    return "".join(repr(c)[1:-1] if is_control(c) else c for c in text)


def show_lines(stream):
    """Prints each line from the server, until it closes the connection, or the connection breaks."""
    lines = LineBuffer(MAX_PREFIX_LEN + MAX_LINE_LEN)
    while True:
        try:
            data = stream.recv(READ_LEN)
        except OSError:
            return  # a broken connection: no more lines will arrive
        if not data:
            return
        for line in lines.push(data):
            print(harmless(line.decode(errors="replace").rstrip("\r")), flush=True)
# ANCHOR_END: show-lines


# ANCHOR: send-lines
def send_lines(stream):
    """Sends the lines of the input until it ends, or one of them is `quit`."""
    while (line := read_line(sys.stdin.buffer)) is not None and line.strip() != b"quit":
        if len(line) > MAX_LINE_LEN:
            problem = f"a line has at most {MAX_LINE_LEN} bytes; this one was not sent"
            print(f"error: {problem}", file=sys.stderr)
            continue
        try:
            stream.sendall(line + b"\n")
        except OSError:
            return  # the server is gone; show_lines notices that, too
    input_has_ended.set()
    try:
        stream.shutdown(socket.SHUT_WR)  # end of file for the server, which then closes as well
    except OSError:
        pass  # the connection has ended already
# ANCHOR_END: send-lines


addr = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9008"
# ANCHOR: run
stream = socket.create_connection(address(addr))
threading.excepthook = lambda args: report(*args[:3])  # it ends the program, not only the thread
input_has_ended = threading.Event()
threading.Thread(target=send_lines, args=(stream,), daemon=True).start()

show_lines(stream)
status = 0
if not input_has_ended.is_set():
    print(f"error: {addr}: the server closed the connection", file=sys.stderr, flush=True)
    status = 1
os._exit(status)  # the keyboard's thread may be waiting for a line; it ends with the process
# ANCHOR_END: run
