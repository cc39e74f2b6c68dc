"""Step 05: what a byte stream does to messages, and what becomes of datagrams.

    python3 demo.py merge|split|udp
"""

import errno
import itertools
import socket
import sys
import time

import program  # errors that a person can cause are reported in one line

DEADLINE = 10  # seconds that bytes may take on their way within this computer
TOO_LONG = getattr(errno, "WSAEMSGSIZE", errno.EMSGSIZE)  # Windows has a code of its own


def letters(count, length):
    """Returns that many messages: pieces of a repeated alphabet."""
    alphabet = itertools.cycle(b"abcdefghijklmnopqrstuvwxyz")
    return [bytes(itertools.islice(alphabet, length)) for _ in range(count)]


def stream(messages, read_len):
    """Makes all writes, then all reads, and prints what went in and what came out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        writer = socket.create_connection(listener.getsockname())
        reader, _ = listener.accept()
    with writer, reader:
        writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        # ANCHOR: writes
        for message in messages:
            writer.sendall(message)
        # ANCHOR_END: writes

        # ANCHOR: wait
        # MSG_PEEK makes it a recv that leaves the bytes where they are.
        left = sum(map(len, messages))
        end = time.monotonic() + DEADLINE
        while len(reader.recv(left, socket.MSG_PEEK)) < left:
            if time.monotonic() > end:
                sys.exit("error: what was sent has not arrived")
        # ANCHOR_END: wait

        # ANCHOR: reads
        pieces = []
        while left > 0:
            pieces.append(reader.recv(read_len))
            left -= len(pieces[-1])
        # ANCHOR_END: reads

    print("call     length  bytes")
    for kind, parts in [("write", messages), ("read", pieces)]:
        offset = 0
        for number, data in enumerate(parts, 1):
            text = " " * offset + data.decode()
            print("%-7s  %6d  %s" % ("%s %d" % (kind, number), len(data), text))
            offset += len(data)


# ANCHOR: exchange
def datagrams(sender, receiver, messages, room):
    """Sends all messages, then receives as many as were sent; returns a row for each."""
    results = []
    for message in messages:
        try:
            sender.send(message)
            results.append("sent")
        except OSError as error:
            results.append("too long" if error.errno == TOO_LONG else str(error))
    for message, result in zip(messages, results):
        if result != "sent":
            yield len(message), "", "", result
            continue
        # ANCHOR: receive
        try:
            got = len(receiver.recv(room))
        except OSError as error:
            if error.errno != TOO_LONG:
                raise
            got = room  # Windows fills the buffer, and then reports that the rest is lost
        # ANCHOR_END: receive
        lost = len(message) - got
        yield len(message), room, got, "cut: %d lost" % lost if lost else "whole"
# ANCHOR_END: exchange


def udp():
    """Sends datagrams, receives them, and prints what became of each."""
    receiver = socket.socket(type=socket.SOCK_DGRAM)
    sender = socket.socket(type=socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(DEADLINE)
        sender.connect(receiver.getsockname())
        rows = [
            *datagrams(sender, receiver, letters(3, 5), room=1024),
            *datagrams(sender, receiver, letters(1, 20), room=8),
            *datagrams(sender, receiver, letters(1, 65507), room=65535),
            *datagrams(sender, receiver, letters(1, 65508), room=65535),
        ]
    print("#   sent   room    got  result")
    for number, row in enumerate(rows, 1):
        print("%d  %5s  %5s  %5s  %s" % (number, *row))


demo = sys.argv[1] if len(sys.argv) > 1 else "merge"
if demo == "merge":
    stream(letters(3, 5), read_len=1024)
elif demo == "split":
    stream(letters(1, 16), read_len=6)
elif demo == "udp":
    udp()
else:
    sys.exit("error: %s: expected merge, split or udp" % demo)
sys.stdout.flush()
