"""What all programs have in common: an address, lines of input, and errors that are told in one line."""

import os
import signal
import sys

MAX_INPUT_LEN = 32 * 1024 * 1024  # bytes; an input without a newline must not fill the memory
MAX_CONSOLE_LEN = 4096  # bytes
MAX_SECONDS = 1e9  # some thirty years; systems cannot wait much longer

subject = ""  # what an error is about: the address

# If one of these was closed, a socket could get its number.
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


def seconds(text):
    """Returns a time above zero, from the command line."""
    value = float(text)
    if not 0 < value < MAX_SECONDS:
        raise ValueError(f"{text} is not a time above zero")
    return value


def read_line(keyboard):
    """Returns the next line of the input without its ending, or None at the end of the input."""
    if keyboard.isatty():
        print("> ", end="", flush=True)
    line = keyboard.readline(MAX_INPUT_LEN)
    if len(line) == MAX_INPUT_LEN:
        raise OSError("a line of the input is longer than 32 MiB")
    return line.rstrip(b"\r\n") if line else None


def console_lines(console):
    """Yields the lines that are typed at a server. An input without newlines is no console, and ends it."""
    while 0 < len(line := console.readline(MAX_CONSOLE_LEN)) < MAX_CONSOLE_LEN:
        yield line
