"""Step 10, the client: says each line of its input, and prints what everybody says.

    python3 client.py [HOST:PORT]
"""

import asyncio
import os
import sys
import threading
import unicodedata

from line import MAX_LINE_LEN, LineBuffer

READ_LEN = 4096  # bytes; how much one read may take
MAX_PREFIX_LEN = 128  # bytes that the server may put in front of a line


def harmless(text):
    """The text with its control characters spelled out: they do nothing to the terminal."""
    return "".join(
        repr(c)[1:-1] if unicodedata.category(c) == "Cc" and c != "\t" else c for c in text
    )


class ChatClient:
    """One end of a conversation with the room."""

    def __init__(self, addr):
        self.addr = addr
        self.is_leaving = False

    async def run(self):
        """Talks to the server until the input ends, or `quit` is typed; returns the exit code."""
        host, _, port = self.addr.rpartition(":")
        reader, self.writer = await asyncio.open_connection(host, int(port))
        loop = asyncio.get_running_loop()
        # Nobody joins this thread: it may be waiting for the keyboard.
        threading.Thread(target=self.keyboard, args=(loop,), daemon=True).start()
        await self.show_lines(reader)
        if self.is_leaving:
            return 0
        print(f"error: {self.addr}: the server closed the connection", file=sys.stderr, flush=True)
        return 1

    async def show_lines(self, reader):
        """Prints the lines that come, until the server closes the connection, or it breaks."""
        lines = LineBuffer(MAX_PREFIX_LEN + MAX_LINE_LEN)
        try:
            while data := await reader.read(READ_LEN):
                for line in lines.push(data):
                    print(harmless(line.decode(errors="replace").rstrip("\r")), flush=True)
        except OSError:
            pass  # for who waits for lines, that is the same

    def keyboard(self, loop):
        """A thread: hands each line of the input to the loop."""
        while True:
            if sys.stdin.isatty():
                print("> ", end="", flush=True)
            line = sys.stdin.buffer.readline()
            if not line or line.strip() == b"quit":
                loop.call_soon_threadsafe(self.leave)
                return
            line = line.rstrip(b"\r\n")
            if len(line) > MAX_LINE_LEN:
                print(f"error: a line has at most {MAX_LINE_LEN} bytes", file=sys.stderr)
                continue
            loop.call_soon_threadsafe(self.writer.write, line + b"\n")

    def leave(self):
        """End of file for the server. What it has sent until then still comes."""
        self.is_leaving = True
        try:
            self.writer.write_eof()
        except OSError:
            pass  # the connection has ended already


addr = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9010"
try:
    status = asyncio.run(ChatClient(addr).run())
except OSError as error:
    sys.exit(f"error: {addr}: {error}")
os._exit(status)  # the keyboard's thread may hold the input; nobody waits for it
