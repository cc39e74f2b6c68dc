"""Lines: text messages, each followed by a newline, on a byte stream."""

import unicodedata

MAX_LINE_LEN = 4096  # bytes, without the ending

# They change the order in which the characters around them are shown.
REORDERING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class BadLine(ValueError):
    """A line that is refused, and why."""


class LineBuffer:
    """Assembles lines from the pieces in which they arrive."""

    def __init__(self, max_len=MAX_LINE_LEN):
        self.max_len = max_len
        self.partial = bytearray()  # the line whose end has not arrived yet

    def push(self, data):
        """Adds what a recv has returned, and returns the lines that are complete now."""
        lines = []
        *ends, rest = data.split(b"\n")
        for piece in ends:
            self.keep(piece)
            lines.append(bytes(self.partial))
            self.partial.clear()
        self.keep(rest)
        return lines

    def keep(self, piece):
        """Discards what exceeds the limit, except for the bytes that show that the line is too long."""
        self.partial += piece[: self.max_len + 2 - len(self.partial)]


def check(line, max_len=MAX_LINE_LEN):
    """Returns the text of a line if it is fit to be shown; otherwise raises BadLine."""
    line = line.removesuffix(b"\r")  # telnet ends its lines with \r\n
    if len(line) > max_len:
        raise BadLine(f"a line has at most {max_len} bytes")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise BadLine("a line must be UTF-8") from None
    if any(is_control(c) for c in text):
        raise BadLine("a line must not have control characters")
    return text


def is_control(c):
    """Returns whether a character acts on the text around it, instead of being shown. A tab is allowed."""
    if c == "\t":
        return False
    # Zl and Zp are the separators of lines and of paragraphs.
    return unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in REORDERING
