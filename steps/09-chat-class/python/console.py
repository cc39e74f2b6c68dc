"""The console of a server."""

MAX_CONSOLE_LEN = 4096  # bytes


def console_lines(console):
    """Yields the lines that are typed at a server. An input without newlines is no console, and ends it."""
    while line := console.readline(MAX_CONSOLE_LEN):
        if len(line) == MAX_CONSOLE_LEN and not line.endswith(b"\n"):
            return
        yield line
