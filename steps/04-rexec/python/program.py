"""What all programs have in common: an address, and errors that are reported in one line."""

import os
import signal
import sys

subject = ""  # what an error is about: the address

# If one of these is closed, a socket could get its number.
sys.stdin = sys.stdin or open(os.devnull)
sys.stdout = sys.stdout or open(os.devnull, "w")
sys.stderr = sys.stderr or open(os.devnull, "w")

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the program, whatever it waits for


def report(kind, error, traceback):
    """Reports an error that was not caught: in one line if a person can cause it, such as a port that is taken.

    A traceback is for the mistakes of the program.
    """
    if not issubclass(kind, OSError):
        return sys.__excepthook__(kind, error, traceback)
    try:
        print(f"error: {subject}{error}", file=sys.stderr, flush=True)
    except OSError:
        pass  # then the exit code is the only report
    os._exit(1)  # at an ordinary exit, Python would write to a broken stdout once more


sys.excepthook = report


def address(text):
    """Returns the host and the port of an address such as 127.0.0.1:9001."""
    global subject
    subject = f"{text}: "
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise OSError("an address looks like 127.0.0.1:9001")
    return host, int(port)
