"""A solution: a room in which each client can say at most ten lines a second. The rest of the step is
left out: checks of lines, announcements, a bound for slow readers, and an orderly end.

    python3 rate_limit.py [HOST:PORT]
"""

import asyncio
import collections
import sys
import time

LINES_A_SECOND = 10


class ChatServer:
    """A chat room and its clients. One loop owns it, so there is no lock."""

    def __init__(self):
        self.members = set()

    async def handle_connection(self, reader, writer):
        """Passes on what a client says, until it leaves."""
        name = "%s:%d" % writer.get_extra_info("peername")[:2]
        times = collections.deque(maxlen=LINES_A_SECOND)  # of its last ten lines
        self.members.add(writer)
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                if len(times) == LINES_A_SECOND:
                    # While this client waits, the loop serves the others, and nothing is read
                    # from this one. First our buffer is full, then the system's, then its own: in
                    # the end its own `write` waits.
                    await asyncio.sleep(times[0] + 1 - time.monotonic())
                times.append(time.monotonic())  # drops the oldest
                now = time.strftime("%Y-%m-%d %H:%M:%S")
                self.say(f"{now} {name} ".encode() + line)
        except ConnectionError:
            pass  # the connection broke
        finally:
            self.members.remove(writer)
            writer.close()

    def say(self, line):
        """Sends a line to every client."""
        for writer in self.members:
            writer.write(line)


async def main():
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9010").rpartition(":")
    listener = await asyncio.start_server(ChatServer().handle_connection, host, int(port))
    print("listening on %s:%d" % listener.sockets[0].getsockname()[:2], flush=True)
    await listener.serve_forever()


asyncio.run(main())
