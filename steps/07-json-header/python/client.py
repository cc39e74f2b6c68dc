"""Step 07, the client: `get FILE` downloads a file, any other line is a command for the server.

    python3 client.py [HOST:PORT] [--dir DIR] [--force] [--max-size MIB] [--idle-timeout SECONDS]

A download is saved whole, or not at all. Unlike the Rust client, this one shows no progress.
"""

import argparse
import contextlib
import hashlib
import os
import pathlib
import re
import secrets
import socket
import sys

from input import read_line
from message import field, parse_header, read_frame, receive_body, write_header
from options import seconds
from program import address

# Windows treats these names as devices, with any extension.
DEVICES = re.compile(r"(CON|PRN|AUX|NUL|(COM|LPT)[0-9¹²³]) *(\..*)?", re.IGNORECASE)


MIB = 1024 * 1024  # bytes


class Refused(Exception):
    """A failure after which the conversation can continue."""


def ask(stream, request):
    """Sends a request and returns the header of its answer, checked as far as it can be."""
    try:
        write_header(stream, request)
    except ValueError as error:
        raise Refused(f"{error}; this one was not sent") from None
    frame = read_frame(stream)
    if frame is None:
        raise EOFError("the server closed the connection")
    header = dict.fromkeys(["filename", "hash", "status", "error"]) | parse_header(frame)
    if field(header, "size", int) < 0:
        raise ValueError("the field `size` must not be below zero")
    return header


def run(stream, command):
    """Has the server run a command, and shows its output as it arrives."""
    header = ask(stream, {"request": "run", "command": command})
    for chunk in receive_body(stream, header["size"]):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    if header["error"] is not None:
        complain(f"error: {header['error']}")
    if header["status"]:
        complain(f"exit status {header['status']}")


# ANCHOR: get
def download(stream, filename, folder, force, max_mib):
    """Saves a file from the server in the folder: whole, or not at all."""
    name = filename.rpartition("/")[2]
    if not is_plain(name):
        raise Refused(f"{name} cannot be a file name on every system")
    target = folder / name
    if target.exists() and not target.is_file():  # renaming would replace a pipe or a device as well
        raise Refused(f"{name} is not a regular file here")
    if os.path.lexists(target) and not force:
        if not sys.stdin.isatty():
            raise Refused(f"{name} exists; --force overwrites it")
        print(f"overwrite {name}? [y/N] ", end="", flush=True)
        if sys.stdin.buffer.readline().strip().lower() not in (b"y", b"yes"):
            print(f"kept {name}", flush=True)
            return
        force = True
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"no file can be made in {folder}: {error.strerror or error}") from None

    header = ask(stream, {"request": "get", "filename": filename})
    size, expected = header["size"], header["hash"]
    if header["error"] is not None and size == 0:
        raise Refused(f"{filename}: {header['error']}")
    # ANCHOR: checked
    if header["error"] is not None:
        raise ValueError(f"{name}: the server sent {size} bytes with the error: {header['error']}")
    # A server that answers with another name than we asked for lies, or makes us write elsewhere. What
    # such a server sends next is not worth reading.
    if header["filename"] != name:
        raise ValueError(f"{name}: the server calls it {header['filename']!r}")
    if size > max_mib * MIB:
        raise ValueError(
            f"{name}: the server announced {size} bytes; --max-size permits {max_mib} MiB"
        )
    if not isinstance(expected, str) or not re.fullmatch("[0-9a-f]{64}", expected):
        raise ValueError(f"{name}: the server sent no hash, so the file cannot be checked")
    # ANCHOR_END: checked

    part = folder / f".{secrets.token_hex(8)}.part"  # beside the target: renaming does not copy
    try:
        digest = save(receive_body(stream, size), part)
        if digest != expected:
            raise Refused(f"{name}: its hash is {digest}, but should be {expected}")
        # ANCHOR: save
        if force:
            os.replace(part, target)
        else:
            os.link(part, target)  # unlike renaming, it overwrites nothing
        # ANCHOR_END: save
    except FileExistsError:
        raise Refused(f"{name}: created during the download; --force overwrites it") from None
    except OSError as error:  # of our folder; the connection's are EOFErrors
        # The rest of the body stays unread: it may be of any length. So the conversation is over.
        raise ValueError(
            f"{name}: it cannot be written here: {error.strerror or error}"
        ) from None
    except EOFError as error:
        raise EOFError(f"{name}: {error}") from None
    finally:
        with contextlib.suppress(OSError):  # it was renamed, or never made
            part.unlink()
    print(f"saved {name}: {size} bytes, SHA-256 checked", flush=True)
# ANCHOR_END: get


# ANCHOR: receive
def save(body, path):
    """Writes a body into a new file, and returns its hash."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in body:
            file.write(chunk)
            digest.update(chunk)
        file.flush()
        os.fsync(file.fileno())  # some errors are reported only when the bytes must be on the disk
    return digest.hexdigest()
# ANCHOR_END: receive


# ANCHOR: is-plain
def is_plain(name):
    """Returns whether a file can have this name on Linux, macOS and Windows, in any folder."""
    return (
        0 < len(name.encode()) <= 255
        and name.isprintable()
        and not re.search(r'[/\\:*?"<>|]', name)
        and not name.endswith((".", " "))
        and not DEVICES.fullmatch(name)
    )
# ANCHOR_END: is-plain


def complain(text):
    """Prints one line on stderr. The text may be the server's, so control characters are escaped."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    print("".join(shown), file=sys.stderr)


parser = argparse.ArgumentParser()
parser.add_argument("addr", nargs="?", default="127.0.0.1:9007", metavar="HOST:PORT")
parser.add_argument("--dir", default=".", metavar="DIR", type=pathlib.Path)
parser.add_argument("--force", action="store_true")
parser.add_argument("--max-size", default=4096, type=int, metavar="MIB")
parser.add_argument("--idle-timeout", default=60.0, type=seconds, metavar="SECONDS")
args = parser.parse_args()
host, port = address(args.addr)

failed = False
with socket.create_connection((host, port)) as stream:
    stream.settimeout(args.idle_timeout)  # a server that stops sending must not keep us waiting forever
    while (line := read_line(sys.stdin.buffer)) is not None:
        try:
            line = line.decode()
        except UnicodeDecodeError:
            complain("error: a request must be UTF-8; this one was not sent")
            continue
        word, _, filename = line.partition(" ")
        filename = filename.lstrip(" ")
        try:
            if word != "get":
                run(stream, line)
            elif filename:
                download(stream, filename, args.dir, args.force, args.max_size)
            else:
                complain("error: get needs a file name: get FILE")
        except Refused as problem:
            complain(f"error: {problem}")
            failed = failed or word == "get"
        except TimeoutError:
            complain(f"error: {args.addr}: no answer within {args.idle_timeout:g} seconds")
            sys.exit(1)
        except (OSError, EOFError, ValueError) as error:
            complain(f"error: {args.addr}: {error}")
            sys.exit(1)
sys.exit(failed)
