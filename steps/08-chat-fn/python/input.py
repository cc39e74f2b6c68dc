"""The input of a client."""

MAX_INPUT_LEN = 32 * 1024 * 1024  # bytes; an input without a newline must not fill the memory


def read_line(keyboard):
    """Returns the next line of the input without its ending, or None at the end of the input."""
    if keyboard.isatty():
        print("> ", end="", flush=True)
    line = keyboard.readline(MAX_INPUT_LEN)
    if len(line) == MAX_INPUT_LEN:
        raise OSError("a line of the input is longer than 32 MiB")
    return line.rstrip(b"\r\n") if line else None
