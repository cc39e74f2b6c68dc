"""A solution: a room that sends the last ten lines to each client that joins. The rest of the step is
left out: checks of lines, announcements, a bound for slow readers, and an orderly end.

    python3 latecomers.py [HOST:PORT]
"""

import asyncio
import collections
import sys
import time

REMEMBERED_LINES = 10


class ChatServer:
    """A chat room and its clients. One loop owns it, so there is no lock."""

    def __init__(self):
        self.members = set()
        # When it is full, it drops the first line for each that is appended.
        self.last_lines = collections.deque(maxlen=REMEMBERED_LINES)

    async def handle_connection(self, reader, writer):
        """Passes on what a client says, until it leaves."""
        name = "%s:%d" % writer.get_extra_info("peername")[:2]
        # Nothing here waits (there is no `await`), so no client can say a line in between: the
        # newcomer gets each line exactly once.
        writer.writelines(self.last_lines)
        self.members.add(writer)
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                now = time.strftime("%Y-%m-%d %H:%M:%S")
                self.say(f"{now} {name} ".encode() + line)
        except ConnectionError:
            pass  # the connection broke
        finally:
            self.members.remove(writer)
            writer.close()

    def say(self, line):
        """Sends a line to every client, and remembers it as it was sent."""
        self.last_lines.append(line)
        for writer in self.members:
            writer.write(line)


async def main():
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9009").rpartition(":")
    listener = await asyncio.start_server(ChatServer().handle_connection, host, int(port))
    print("listening on %s:%d" % listener.sockets[0].getsockname()[:2], flush=True)
    await listener.serve_forever()


asyncio.run(main())
