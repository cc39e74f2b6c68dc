"""A solution: a server with as many rooms as people name. The rest of the step is left out: checks
of lines, announcements, a bound for slow readers, and an orderly end.

    python3 rooms.py [HOST:PORT]
"""

import asyncio
import sys
import time


class ChatServer:
    """All clients that are online, in any room. One loop owns them, so there is no lock."""

    def __init__(self):
        self.room_of = {}  # each client's stream, and the name of the room in which it is

    async def handle_connection(self, reader, writer):
        """Passes on what a client says, until it leaves."""
        name = "%s:%d" % writer.get_extra_info("peername")[:2]
        self.room_of[writer] = b""  # every client begins here
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                if line.startswith(b"/join "):
                    # No client has to be removed from its old room, which is stored nowhere else.
                    self.room_of[writer] = line.removeprefix(b"/join ").strip()
                    continue
                now = time.strftime("%Y-%m-%d %H:%M:%S")
                self.say(self.room_of[writer], f"{now} {name} ".encode() + line)
        except ConnectionError:
            pass  # the connection broke
        finally:
            del self.room_of[writer]
            writer.close()

    def say(self, room, line):
        """Sends a line to every client in this room."""
        for writer, where in self.room_of.items():
            if where == room:
                writer.write(line)


async def main():
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9009").rpartition(":")
    listener = await asyncio.start_server(ChatServer().handle_connection, host, int(port))
    print("listening on %s:%d" % listener.sockets[0].getsockname()[:2], flush=True)
    await listener.serve_forever()


asyncio.run(main())
