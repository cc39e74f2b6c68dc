"""Step 04, the client: sends each line of its input as a command, and prints the answer.

    python3 client.py [HOST:PORT]

Still wrong, on purpose: it reads once for each command.
"""

import socket
import sys

from input import read_line
from program import address

MAX_COMMAND_LEN = 1024  # bytes; the server reads no more than this at a time
MAX_READ_LEN = 1024  # bytes; recv may return fewer

host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9004")

with socket.create_connection((host, port)) as stream:
    while (command_line := read_line(sys.stdin.buffer)) is not None:
        if not command_line:
            continue  # TCP cannot send an empty message: both sides would wait forever
        if len(command_line) > MAX_COMMAND_LEN:
            problem = f"a command has at most {MAX_COMMAND_LEN} bytes; this one was not sent"
            print(f"error: {problem}", file=sys.stderr)
            continue
        # ANCHOR: exchange
        try:
            stream.sendall(command_line)
            answer = stream.recv(MAX_READ_LEN)  # waits for bytes, and takes what is there
        except ConnectionError as error:
            sys.exit(f"error: {error}")
        if not answer:
            sys.exit("error: the server closed the connection")
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
        # ANCHOR_END: exchange
