"""Messages: a header in JSON with a length prefix, followed by a body of any size.

    00 00 00 37  {"filename": "notes.txt", "hash": …, "size": 3, …}  h i \\n
    the length   the header, at most 64 KiB                           the body, `size` bytes
"""

import json
import struct

MAX_HEADER_LEN = 64 * 1024  # bytes
CHUNK_LEN = 64 * 1024  # bytes; how much of a body is held in memory at a time

LENGTH = struct.Struct("!I")  # ! is network byte order, I an unsigned number of 4 bytes


# ANCHOR: write-header
def write_header(stream, header):
    """Sends a header. One that is too long is a ValueError, and nothing is sent."""
    frame = json.dumps(header, ensure_ascii=False).encode()
    if len(frame) > MAX_HEADER_LEN:
        raise ValueError(f"a header has at most {MAX_HEADER_LEN} bytes, not {len(frame)}")
    stream.sendall(LENGTH.pack(len(frame)) + frame)
# ANCHOR_END: write-header


def read_frame(stream):
    """Returns the bytes of the next header, or None if the stream ends before it begins.

    After an EOFError it is unknown where the next header begins.
    """
    length = receive_exactly(stream, LENGTH.size)
    if not length:
        return None  # between two messages: a clean close
    if len(length) < LENGTH.size:
        raise cut_off("header", len(length), LENGTH.size)
    (length,) = LENGTH.unpack(length)
    if length > MAX_HEADER_LEN:
        raise EOFError(
            f"frame too long: {length} bytes (limit {MAX_HEADER_LEN})"
        )
    frame = receive_exactly(stream, length)
    if len(frame) < length:
        raise cut_off("payload", len(frame), length)
    return frame


# ANCHOR: read-header
def parse_header(frame):
    """Parses the bytes of a header. A ValueError if they are invalid; the stream can still be used."""
    try:
        header = json.loads(frame.decode())
    except ValueError as error:
        raise ValueError(f"invalid header: {error}") from None
    except RecursionError:
        raise ValueError("invalid header: it is nested too deeply") from None
    if not isinstance(header, dict):
        raise ValueError("invalid header: it is no JSON object")
    return header
# ANCHOR_END: read-header


def field(header, name, kind):
    """Returns a field that the header must have. A ValueError names it if it is missing or of another type."""
    if name not in header:
        raise ValueError(f"invalid header: missing field `{name}`")
    value = header[name]
    if type(value) is not kind:  # not isinstance: to Python, True is an int
        raise ValueError(f"invalid header: `{name}` must be of type {kind.__name__}")
    if kind is str:
        value.encode()  # JSON can hold half a surrogate pair; no text can
    return value


# ANCHOR: read-body
def receive_body(stream, size):
    """Yields the body, chunk by chunk. An EOFError if the stream ends before its end."""
    came = 0
    while came < size:
        try:
            chunk = stream.recv(min(CHUNK_LEN, size - came))
        except TimeoutError:
            raise EOFError(f"the server stopped sending after {came} of {size} bytes") from None
        except OSError as error:
            raise EOFError(f"the connection ended after {came} of {size} bytes: {error}") from None
        if not chunk:
            raise EOFError(f"the connection ended after {came} of {size} bytes")
        came += len(chunk)
        yield chunk
# ANCHOR_END: read-body


def receive_exactly(stream, length):
    """Receives `length` bytes, in as many recvs as it takes; fewer only if the stream ends."""
    received = bytearray()
    while len(received) < length:
        piece = stream.recv(length - len(received))
        if not piece:
            break  # end of file
        received += piece
    return bytes(received)


def cut_off(part, came, length):
    """Returns the error for a stream that ends inside a header."""
    return EOFError(
        f"the stream ended inside a frame: {came} of {length} bytes of its {part} arrived"
    )
