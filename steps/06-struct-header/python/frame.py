"""Frames: messages with a length prefix, so that a byte stream can carry them."""

import struct

MAX_FRAME_LEN = 16 * 1024 * 1024  # bytes of payload
MAX_READ_LEN = 64 * 1024  # bytes; how much one recv may take

HEADER = struct.Struct("!I")  # ! is network byte order, I an unsigned number of 4 bytes


# ANCHOR: write-frame
def write_frame(stream, payload):
    """Sends one frame. A payload that is too long is a ValueError, and nothing is sent."""
    if len(payload) > MAX_FRAME_LEN:
        raise ValueError(f"a frame has at most {MAX_FRAME_LEN} bytes, not {len(payload)}")
    stream.sendall(HEADER.pack(len(payload)) + payload)
# ANCHOR_END: write-frame


def read_frame(stream):
    """Returns the payload of the next frame, or None if the stream ends before the frame begins."""
    # ANCHOR: header
    header = receive_exactly(stream, HEADER.size)
    if not header:
        return None  # between two frames: a clean close
    if len(header) < HEADER.size:
        raise cut_off("header", len(header), HEADER.size)
    # ANCHOR_END: header
    # ANCHOR: check
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME_LEN:
        raise ValueError(
            f"frame too long: {length} bytes (limit {MAX_FRAME_LEN})"
        )
    # ANCHOR_END: check
    # ANCHOR: payload
    payload = receive_exactly(stream, length)
    if len(payload) < length:
        raise cut_off("payload", len(payload), length)
    return payload
    # ANCHOR_END: payload


# ANCHOR: fill
def receive_exactly(stream, length):
    """Receives `length` bytes, in as many recvs as it takes; fewer only if the stream ends."""
    received = bytearray()
    while len(received) < length:
        piece = stream.recv(min(MAX_READ_LEN, length - len(received)))
        if not piece:
            break  # end of file
        received += piece
    return bytes(received)
# ANCHOR_END: fill


def cut_off(part, came, length):
    """Returns the error for a stream that ends inside a frame."""
    return EOFError(
        f"the stream ended inside a frame: {came} of {length} bytes of its {part} arrived"
    )
