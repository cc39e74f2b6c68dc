"""Step 06, the server: runs commands for one client after another, on this computer only.

    python3 server.py [HOST:PORT]

Still wrong, on purpose: an answer must fit in memory, and contains the output and nothing else.
"""

import concurrent.futures
import ipaddress
import socket
import subprocess
import sys

from frame import MAX_FRAME_LEN, read_frame, write_frame
from program import address


def run_command(command_line):
    """Returns what the command wrote to stdout, and then what it wrote to stderr."""
    process = subprocess.Popen(
        command_line.decode(),
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # In threads: a command that has filled one pipe waits until it is read.
    with process, concurrent.futures.ThreadPoolExecutor() as threads:
        stdout, stderr = threads.map(read_limited, (process.stdout, process.stderr))
    return stdout + stderr


def read_limited(pipe):
    """Returns at most one byte more than can be sent, and closes the pipe. The command's next write then
    fails, and on Unix a signal ends the command."""
    with pipe:
        return pipe.read(MAX_FRAME_LEN + 1)


# ANCHOR: answer
def answer_to(command_line):
    """Returns what the command wrote, or why that cannot be sent."""
    try:
        output = run_command(command_line)
    except OSError as error:
        return f"the command cannot be run: {error}\n".encode()
    if len(output) <= MAX_FRAME_LEN:
        return output
    max_mib = MAX_FRAME_LEN // (1024 * 1024)
    return f"the answer is longer than {max_mib} MiB, the limit of a frame\n".encode()
# ANCHOR_END: answer


def handle_connection(stream):
    """Runs one command after another, until the client has left."""
    while (command_line := read_frame(stream)) is not None:
        write_frame(stream, answer_to(command_line))


host, port = address(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9006")

if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
    sys.exit(f"error: {host}: others could connect there and run any command here, as you")

with socket.create_server((host, port)) as listener:
    print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        with stream:
            try:
                handle_connection(stream)
            except (OSError, EOFError, ValueError) as error:
                print("%s:%d lost: %s" % (*peer_addr[:2], error), flush=True)
