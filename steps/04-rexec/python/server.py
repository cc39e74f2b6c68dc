"""Step 04, the server: runs commands for one client after another, on this computer only.

    python3 server.py [HOST:PORT]

Still wrong, on purpose: nothing marks where a command or an answer ends.
"""

import ipaddress
import re
import socket
import subprocess
import sys

from program import address

MAX_COMMAND_LEN = 1024  # bytes; recv may return fewer
HTTP_REQUEST = re.compile(rb"[A-Z]+ (/|\*|http)")  # GET /, OPTIONS *, POST http
CONTROL_CHARACTER = re.compile(rb"[\x00-\x1f\x7f]")


# ANCHOR: run-command
def run_command(command_line):
    """Returns what the command wrote to stdout, and then what it wrote to stderr."""
    done = subprocess.run(
        command_line.decode(), shell=True, stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.stdout + done.stderr
# ANCHOR_END: run-command


# ANCHOR: check
def check(command_line):
    """Raises ValueError if our client would not have sent it, as when a browser did."""
    if HTTP_REQUEST.match(command_line):
        raise ValueError(
            "an HTTP request is not a command; a web page may have made a browser send it"
        )
    if CONTROL_CHARACTER.search(command_line):
        raise ValueError("a command must not have control characters")
    if len(command_line) > MAX_COMMAND_LEN:
        raise ValueError(f"a command has at most {MAX_COMMAND_LEN} bytes")
# ANCHOR_END: check


def handle_connection(stream):
    """Runs each command that arrives, until the client has left."""
    while True:
        command_line = stream.recv(MAX_COMMAND_LEN + 1)  # waits for bytes
        if not command_line:
            return  # end of file: the client sends no more
        check(command_line)
        stream.sendall(run_command(command_line))


host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9004")

if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
    sys.exit(f"error: {host}: others could connect there and run any command here, as you")

with socket.create_server((host, port)) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        with stream:
            try:
                handle_connection(stream)
            except (OSError, ValueError) as error:
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
