"""Step 07, the server: runs commands and sends files, for one client after another, on this
computer only.

    python3 server.py [HOST:PORT] [--root DIR] [--timeout SECONDS]

Still wrong, on purpose: one client at a time; a slow download holds up everyone.
"""

import argparse
import contextlib
import hashlib
import ipaddress
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

from message import CHUNK_LEN, field, parse_header, read_frame, write_header
from options import seconds
from program import address

MAX_OUTPUT_MIB = 1024  # of a command
LOOK_INTERVAL = 0.02  # seconds; how often we check how much it has written
MAX_ERROR_LEN = 300  # characters; an error may repeat what a stranger sent


# ANCHOR: start
# Waits for the end of its input, and then kills its process group: a command and all that it has
# started. The other end of its input is ours, and the system closes it however we end.
GUARD = ["sh", "-c", "trap '' HUP INT QUIT TERM TSTP TTIN TTOU; read line; kill -s KILL 0"]


def start(command, stdout, stderr):
    """Starts a command, and on Unix its guard before it. On Windows it has none."""
    guard, join = None, None
    if os.name != "nt":
        guard = subprocess.Popen(GUARD, stdin=subprocess.PIPE, preexec_fn=os.setpgrp)
        join = lambda: os.setpgid(0, guard.pid)
    process = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        preexec_fn=join,
    )
    return process, guard
# ANCHOR_END: start


# ANCHOR: run-command
def run(command, timeout, files):
    """Runs a command, and returns the fields of the answer, and its body: stdout, and then stderr."""
    try:
        # Into files: any size costs no memory, and neither stream waits for the other to be read.
        stdout, stderr = [files.enter_context(tempfile.TemporaryFile()) for _ in range(2)]
        process, guard = start(command, stdout, stderr)
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or error
        raise ValueError(f"the command cannot be run: {text}") from None
    # ANCHOR: wait
    status = error = None
    started = time.monotonic()
    while True:
        try:
            status = process.wait(LOOK_INTERVAL)
        except subprocess.TimeoutExpired:
            if time.monotonic() - started >= timeout:
                kill_with_children(process, guard)
                error = f"the command ran longer than {timeout:g} s and was stopped"
                break
            if written(stdout) + written(stderr) > MAX_OUTPUT_MIB * 1024 * 1024:
                kill_with_children(process, guard)
                break
        else:
            if status < 0:
                status, error = None, f"the command was ended by signal {-status}"
            dismiss(guard)
            break
    # ANCHOR_END: wait
    # Sizes are taken once: a child in the background may still write.
    body = [(file, written(file)) for file in (stdout, stderr)]
    if sum(size for _, size in body) > MAX_OUTPUT_MIB * 1024 * 1024:
        status, body = None, []
        error = f"the command wrote more than {MAX_OUTPUT_MIB} MiB; none of it is sent"
    return {"status": status, "error": error}, body
# ANCHOR_END: run-command


def written(file):
    """Returns how many bytes are in a file."""
    return os.fstat(file.fileno()).st_size


# ANCHOR: guard
def dismiss(guard):
    """Ends the guard, and not the command that it guards."""
    if guard is not None:
        guard.kill()
        guard.wait()
        guard.stdin.close()


def kill_with_children(process, guard):
    """Kills the process and what it has started, and waits for its end."""
    if guard is None:
        taskkill = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(taskkill, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    else:
        guard.stdin.close()
        guard.send_signal(signal.SIGCONT)  # the command may have stopped it, with its whole group
        guard.wait()
    process.wait()
# ANCHOR_END: guard


def get(filename, root, files):
    """Opens a file, and returns the fields of the answer, and its body."""
    file = files.enter_context(open(find(filename, root), "rb", opener=open_without_waiting))
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):  # something else has taken its place
        raise OSError("it is not a file")
    # ANCHOR: hash
    digest, size = hashlib.sha256(), 0
    # The end is taken once: while another program writes to the file, it moves.
    while chunk := file.read(min(CHUNK_LEN, status.st_size - size)):
        digest.update(chunk)
        size += len(chunk)
    # ANCHOR_END: hash
    own_name = pathlib.PurePath(filename).name  # as it was asked for: a link keeps its name
    return {"filename": own_name, "hash": digest.hexdigest()}, [(file, size)]


# ANCHOR: open-file
def open_without_waiting(path, flags):
    """Opens without waiting: without this flag, opening a FIFO waits for its writer. Windows has no FIFOs."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
# ANCHOR_END: open-file


# ANCHOR: open
def find(filename, root):
    """Opens the regular file of this name below the root. Anything else is an OSError."""
    relative = pathlib.PurePath(filename)
    if relative.anchor or ".." in relative.parts:
        raise OSError("it is outside the folder that is served")
    try:
        path = pathlib.Path(os.path.realpath(root / relative, strict=True))  # follows links
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise OSError("no such file") from None
    if not path.is_relative_to(root):
        raise OSError("it is outside the folder that is served")
    if not stat.S_ISREG(path.stat().st_mode):  # before opening: opening a device may have any effect
        raise OSError("it is not a file")
    # Between here and the opening, another user of this computer could put a link in its place.
    return path
# ANCHOR_END: open


def answer(stream, frame, root, timeout):
    """Answers a request. A failure is reported to the client, and the connection continues."""
    with contextlib.ExitStack() as files:  # closes them when the answer is sent
        body = []
        try:
            request = parse_header(frame)
            kind = field(request, "request", str)
            if kind == "run":
                fields, body = run(field(request, "command", str), timeout, files)
            elif kind == "get":
                fields, body = get(field(request, "filename", str), root, files)
            else:
                raise ValueError(f"unknown request {kind!r}, expected 'run' or 'get'")
        except (OSError, ValueError) as error:
            # strerror: the system's words without the path, which the client must not see.
            text = getattr(error, "strerror", None) or str(error)
            fields = {"error": text[:MAX_ERROR_LEN]}
        header = dict.fromkeys(["filename", "hash", "size", "status", "error"])
        write_header(stream, header | fields | {"size": sum(size for _, size in body)})
        # ANCHOR: write-body
        for file, size in body:
            # In chunks, from file to connection. A count of 0 would mean "to the end".
            if size > 0 and stream.sendfile(file, 0, size) < size:
                raise EOFError("the file became shorter while it was sent")
        # ANCHOR_END: write-body


def handle_connection(stream, root, timeout):
    """Answers one request after another, until the client has left."""
    while (frame := read_frame(stream)) is not None:
        answer(stream, frame, root, timeout)


parser = argparse.ArgumentParser()
parser.add_argument("addr", nargs="?", default="127.0.0.1:9007", metavar="HOST:PORT")
parser.add_argument("--root", default=".", metavar="DIR")
parser.add_argument("--timeout", default=30.0, type=seconds, metavar="SECONDS")
args = parser.parse_args()
host, port = address(args.addr)

if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
    sys.exit(f"error: {host}: others could connect there and run any command here, as you")
if not os.path.isdir(args.root):
    sys.exit(f"error: {args.root}: this folder cannot be served: not a folder")
root = pathlib.Path(os.path.realpath(args.root))

with socket.create_server((host, port)) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        with stream:
            # The header and the body are two writes: without this, Nagle's algorithm could hold
            # the second back.
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                handle_connection(stream, root, args.timeout)
            except (OSError, EOFError) as error:
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
