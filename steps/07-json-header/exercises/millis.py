"""A solution: answers that state how long the command ran.

    python3 millis.py [HOST:PORT]
"""

import ipaddress
import pathlib
import socket
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[1] / "python"))
from message import field, parse_header, read_frame, write_header

MAX_ERROR_LEN = 300  # characters; an error may repeat what a stranger sent


def run(frame):
    """Runs the command of a request, and returns the fields of the answer, and its body."""
    request = parse_header(frame)
    if field(request, "request", str) != "run":
        raise ValueError("unknown request, expected 'run'")
    command = field(request, "command", str)
    start = time.monotonic()
    done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, capture_output=True)
    millis = int((time.monotonic() - start) * 1000)
    # A client that looks for `millis` must do without it, too: there are still servers that do not
    # send it. A negative number is the signal that has ended the command.
    status = done.returncode if done.returncode >= 0 else None
    return {"status": status, "error": None, "millis": millis}, done.stdout + done.stderr


def handle_connection(stream):
    """Runs one command after another, until the client has left."""
    while (frame := read_frame(stream)) is not None:
        try:
            fields, body = run(frame)
        except (OSError, ValueError) as error:
            fields, body = {"status": None, "error": str(error)[:MAX_ERROR_LEN], "millis": 0}, b""
        write_header(stream, fields | {"size": len(body)})
        stream.sendall(body)


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9007").rpartition(":")

if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
    sys.exit(f"error: {host}: others could connect there and run any command here, as you")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        with stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # header and body: two writes
            try:
                handle_connection(stream)
            except (OSError, EOFError) as error:
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
