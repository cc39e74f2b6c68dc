"""A solution: the server of step 04, which stops a command that runs too long.

    python3 time_limit.py [HOST:PORT]
"""

import ipaddress
import os
import re
import signal
import socket
import subprocess
import sys

MAX_COMMAND_LEN = 1024  # bytes; recv may return fewer
HTTP_REQUEST = re.compile(rb"[A-Z]+ (/|\*|http)")  # GET /, OPTIONS *, POST http
CONTROL_CHARACTER = re.compile(rb"[\x00-\x1f\x7f]")
TIME_LIMIT = 2  # seconds


def run_command(command_line):
    """Returns what the command wrote to stdout, and then to stderr; or that it was stopped."""
    process = subprocess.Popen(
        command_line.decode(),
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a process group of its own, to be killed as a whole
    )
    with process:  # waits for its end, and closes the pipes
        try:
            stdout, stderr = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            kill_with_children(process)
            return b"stopped\n"
    return stdout + stderr


def kill_with_children(process):
    """Kills the shell and what it has started, which would continue without it."""
    if os.name == "nt":
        taskkill = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(taskkill, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    else:
        os.killpg(process.pid, signal.SIGKILL)


def check(command_line):
    """Raises ValueError if our client would not have sent it, as when a browser did."""
    if HTTP_REQUEST.match(command_line):
        raise ValueError("an HTTP request is not a command")
    if CONTROL_CHARACTER.search(command_line):
        raise ValueError("a command must not have control characters")
    if len(command_line) > MAX_COMMAND_LEN:
        raise ValueError(f"a command has at most {MAX_COMMAND_LEN} bytes")


def handle_connection(stream):
    """Runs each command that arrives, until the client has left."""
    while command_line := stream.recv(MAX_COMMAND_LEN + 1):  # waits for bytes
        check(command_line)
        stream.sendall(run_command(command_line))


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9004").rpartition(":")

if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
    sys.exit(f"error: {host}: others could connect there and run any command here, as you")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        with stream:
            try:
                handle_connection(stream)
            except (ConnectionError, ValueError) as error:
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
