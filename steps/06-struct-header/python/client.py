"""Step 06, the client: sends each line of its input as a command, and prints the answer.

    python3 client.py [HOST:PORT]
"""

import socket
import sys

from frame import MAX_FRAME_LEN, read_frame, write_frame
from input import read_line
from program import address

host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9006")

with socket.create_connection((host, port)) as stream:
    while (command_line := read_line(sys.stdin.buffer)) is not None:
        if len(command_line) > MAX_FRAME_LEN:
            problem = f"a command has at most {MAX_FRAME_LEN} bytes; this one was not sent"
            print(f"error: {problem}", file=sys.stderr)
            continue
        # ANCHOR: exchange
        try:
            write_frame(stream, command_line)
            answer = read_frame(stream)
        except (OSError, EOFError, ValueError) as error:
            sys.exit(f"error: {error}")
        if answer is None:
            sys.exit("error: the server closed the connection")
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
        # ANCHOR_END: exchange
