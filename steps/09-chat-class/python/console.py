"""The console of a server."""

MAX_CONSOLE_LEN = 4096  # bytes


def console_lines(console):
    """Yields the lines that are typed at a server. An input without newlines is no console, and ends it."""
    while 0 < len(line := console.readline(MAX_CONSOLE_LEN)) < MAX_CONSOLE_LEN:
        yield line
