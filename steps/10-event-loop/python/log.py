"""The log: what happens in the room, for the person who runs the server, on stderr.

If the reader of stderr is slow, a program that writes to it has to wait. Here a separate thread writes and
waits, so the room never does.
"""

import os
import queue
import sys
import threading
import time

MAX_ENTRIES = 1024  # that may wait to be written; further entries are counted, and lost
MAX_END_TIME = 0.5  # seconds that the program waits at its end for the entries that are not written yet

entries = queue.Queue(MAX_ENTRIES)
lost = 0


def local_time():
    return time.strftime("%Y-%m-%d %H:%M:%S")


def log(text, level="INFO"):
    global lost
    try:
        entries.put_nowait(f"{local_time()}  {level} {text}\n")
    except queue.Full:
        lost += 1


def write_entries():
    """Writes the entries, up to an empty one."""
    global lost
    while entry := entries.get():
        write(entry)
        if lost:
            count, lost = lost, 0
            write(f"{local_time()}  WARN the log was not read: {count} entries are lost\n")


def write(entry):
    data = entry.encode()
    try:
        # Not `print`: a thread that waits in it, with a lock, could not be left behind at the end.
        while sys.stderr and data:
            data = data[os.write(sys.stderr.fileno(), data) :]
    except OSError:
        pass  # the room continues, even if its log cannot be written


def finish_log():
    """Ends the log: waits, but not forever, until what was logged has been written."""
    try:
        entries.put_nowait("")
    except queue.Full:
        pass  # it is not read
    writer.join(MAX_END_TIME)


writer = threading.Thread(target=write_entries, daemon=True)
writer.start()
