"""A solution: a server for the request `list`, and for no other.

    python3 list.py [HOST:PORT] [--root DIR]
"""

import argparse
import json
import os
import pathlib
import socket
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1] / "python"))
from message import field, parse_header, read_frame, write_header

MAX_ERROR_LEN = 300  # characters; an error may repeat what a stranger sent


def list_files(root):
    """Returns a line of JSON for each file in the folder; folders, links and devices are left out.

    There may be a million files, so the list is a body: a header has at most 64 KiB.
    """
    lines = []
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                # In a name that is not valid text, marks replace the bad bytes, as in Rust's `to_string_lossy`.
                name = os.fsencode(entry.name).decode(errors="replace")
                size = entry.stat(follow_symlinks=False).st_size
                lines.append(json.dumps({"filename": name, "size": size}).encode() + b"\n")
    return b"".join(lines)


def answer_to(frame, root):
    """The fields of an answer, and its body."""
    try:
        request = field(parse_header(frame), "request", str)
        if request != "list":
            raise ValueError(f"unknown request {request!r}, expected 'list'")
        return {"error": None}, list_files(root)
    except (OSError, ValueError) as error:
        # strerror: the system's words without the path, which the client must not see.
        text = getattr(error, "strerror", None) or str(error)
        return {"error": text[:MAX_ERROR_LEN]}, b""


def handle_connection(stream, root):
    """Answers one request after another, until the client has left."""
    while (frame := read_frame(stream)) is not None:
        fields, body = answer_to(frame, root)
        header = dict.fromkeys(["filename", "hash", "size", "status", "error"])
        write_header(stream, header | fields | {"size": len(body)})
        stream.sendall(body)


parser = argparse.ArgumentParser()
parser.add_argument("addr", nargs="?", default="127.0.0.1:9007", metavar="HOST:PORT")
parser.add_argument("--root", default=".", metavar="DIR")
args = parser.parse_args()
host, _, port = args.addr.rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        with stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # header and body: two writes
            try:
                handle_connection(stream, args.root)
            except (OSError, EOFError) as error:
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
