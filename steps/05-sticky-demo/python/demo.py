"""Step 05: what a byte stream does to messages, and what datagrams do to them.

    python3 demo.py merge|split|udp
"""

import errno
import itertools
import socket
import sys
import time

DEADLINE = 10  # seconds that anything may take on its way within this computer


def letters(count, length):
    """That many messages: pieces of an alphabet without end."""
    alphabet = itertools.cycle(b"abcdefghijklmnopqrstuvwxyz")
    return [bytes(itertools.islice(alphabet, length)) for _ in range(count)]


def stream(messages, read_len):
    """Makes all writes, then all reads, and prints them side by side."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        writer = socket.create_connection(listener.getsockname())
        reader, _ = listener.accept()
    with writer, reader:
        for message in messages:
            writer.sendall(message)

        # MSG_PEEK is a recv that leaves the bytes where they are.
        left = sum(map(len, messages))
        end = time.monotonic() + DEADLINE
        while len(reader.recv(left, socket.MSG_PEEK)) < left:
            if time.monotonic() > end:
                sys.exit("error: what was sent has not come")

        pieces = []
        while left > 0:
            pieces.append(reader.recv(read_len))
            left -= len(pieces[-1])

    for index, pair in enumerate(itertools.zip_longest(messages, pieces, fillvalue=b""), 1):
        print(index, "write %-20s  read %s" % tuple(data.decode() for data in pair))


def datagrams(messages, room):
    """Sends all messages, then receives as many as were sent."""
    receiver = socket.socket(type=socket.SOCK_DGRAM)
    sender = socket.socket(type=socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(DEADLINE)
        sent = []
        for message in messages:
            try:
                sender.sendto(message, receiver.getsockname())
                sent.append(message)
            except OSError as error:
                print("send %5d  refused: %s" % (len(message), error.strerror))
        for message in sent:
            try:
                received = len(receiver.recv(room))
            except OSError as error:
                if error.errno != getattr(errno, "WSAEMSGSIZE", None):
                    raise
                received = room  # Windows fills the buffer, and then says that the rest is lost
            print("send %5d  room %5d  received %5d" % (len(message), room, received))


demo = sys.argv[1] if len(sys.argv) > 1 else "merge"
if demo == "merge":
    stream(letters(3, 5), read_len=1024)
elif demo == "split":
    stream(letters(1, 20), read_len=8)
elif demo == "udp":
    datagrams(letters(3, 5), room=1024)
    datagrams(letters(1, 20), room=8)
    datagrams(letters(1, 65507), room=65535)
    datagrams(letters(1, 65508), room=65535)
else:
    sys.exit("error: %s: expected merge, split or udp" % demo)
