"""Step 08, the client: says each line of its input, and prints what everybody says.

    python3 client.py [HOST:PORT]
"""

import os
import queue
import socket
import sys
import threading
import unicodedata

from line import MAX_LINE_LEN, LineBuffer

READ_LEN = 4096  # bytes; how much one recv may take
MAX_PREFIX_LEN = 128  # bytes that the server may put in front of a line


def harmless(text):
    """The text with its control characters spelled out: they do nothing to the terminal."""
    return "".join(
        repr(c)[1:-1] if unicodedata.category(c) == "Cc" and c != "\t" else c for c in text
    )


def show_lines(stream, ends):
    """Prints the lines that come, until the server closes the connection, or it breaks."""
    lines = LineBuffer(MAX_PREFIX_LEN + MAX_LINE_LEN)
    try:
        while data := stream.recv(READ_LEN):
            for line in lines.push(data):
                print(harmless(line.decode(errors="replace").rstrip("\r")), flush=True)
    except OSError:
        pass  # for who waits for lines, that is the same
    ends.put("server")


def send_lines(stream, ends):
    """Sends the lines of the input until it ends, or one of them is `quit`."""
    while True:
        if sys.stdin.isatty():
            print("> ", end="", flush=True)
        line = sys.stdin.buffer.readline()
        if not line or line.strip() == b"quit":
            break
        line = line.rstrip(b"\r\n")
        if len(line) > MAX_LINE_LEN:
            print(f"error: a line has at most {MAX_LINE_LEN} bytes", file=sys.stderr)
            continue
        try:
            stream.sendall(line + b"\n")
        except OSError:
            return  # show_lines sees that too, and first shows what has come
    ends.put("input")


addr = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9008"
host, _, port = addr.rpartition(":")

stream = socket.create_connection((host, int(port)))
ends = queue.Queue()
for work in show_lines, send_lines:
    threading.Thread(target=work, args=(stream, ends), daemon=True).start()

status = 0
if ends.get() == "input":
    try:
        stream.shutdown(socket.SHUT_WR)  # end of file for the server
    except OSError:
        pass  # the connection has ended already
    ends.get()
else:
    print(f"error: {addr}: the server closed the connection", file=sys.stderr, flush=True)
    status = 1
os._exit(status)  # the keyboard's thread may be waiting for a line; nobody waits for it
