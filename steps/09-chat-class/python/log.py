"""The log: what happens in the room, for the person who runs the server, on stderr."""

import sys
import time


def local_time():
    return time.strftime("%Y-%m-%d %H:%M:%S")


def log(text, level="INFO"):
    try:
        # One write, with the newline: two threads may log at the same time.
        print(f"{local_time()}  {level} {text}\n", end="", file=sys.stderr, flush=True)
    except OSError:
        pass  # the room goes on, even if its log cannot be written
