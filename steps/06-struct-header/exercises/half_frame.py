"""A solution: frames that must be complete two seconds after their first byte. The rest of step 06 is left
out: the only command is `echo`, and no shell runs it, so it does not matter who connects.

    python3 half_frame.py [HOST:PORT]
"""

import os
import pathlib
import socket
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[1] / "python"))
from frame import read_frame, write_frame

MAX_FRAME_TIME = 2.0  # seconds that a frame may take from its first byte to its last


# ANCHOR: hurried
class Hurried:
    """A stream all of whose recvs together have one deadline.

    A timeout alone starts again with each recv: a client that sends a byte now and then could continue
    forever.
    """

    def __init__(self, stream):
        self.stream = stream
        self.until = time.monotonic() + MAX_FRAME_TIME

    def recv(self, length):
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"a frame was not whole after {MAX_FRAME_TIME:g} s")
        self.stream.settimeout(left)
        return self.stream.recv(length)
# ANCHOR_END: hurried


def handle_connection(stream):
    """Answers one frame after another, until the client has left."""
    while True:
        # A person may think between two commands, as long as they like. With MSG_PEEK, recv waits for
        # the first byte of a frame, and leaves it where it is.
        stream.settimeout(None)
        stream.recv(1, socket.MSG_PEEK)
        command_line = read_frame(Hurried(stream))
        if command_line is None:
            return
        is_echo = command_line.startswith(b"echo ")
        text = command_line.removeprefix(b"echo ") if is_echo else b"only echo is known"
        stream.settimeout(None)
        write_frame(stream, text + os.linesep.encode())  # as the system's shell would end a line


host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9006").rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        with stream:
            try:
                handle_connection(stream)
            except (OSError, EOFError, ValueError) as error:
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
