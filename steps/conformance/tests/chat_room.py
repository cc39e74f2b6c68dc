"""A chat room that keeps all promises. The tests put one mistake at a time into it."""

import asyncio
import os
import random  # for mistakes that come and go
import socket
import sys
import time

MAX_LINE_LEN = 4096  # bytes
MAX_WAITING = 1024 * 1024  # bytes for a client that does not read

clients = {}  # the writer of each client who is online, by its address


def send(writer, line):
    if writer.transport.get_write_buffer_size() > MAX_WAITING:
        writer.transport.abort()
    else:
        writer.write(line.encode() + b"\n")


async def broadcast(sender, text):
    for addr, writer in list(clients.items()):
        send(writer, f"{sender} {text}")


def complaint(line):
    if len(line) > MAX_LINE_LEN:
        return "a line has at most 4096 bytes"
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "a line must be UTF-8"
    if any(ord(c) < 32 and c != "\t" for c in text):
        return "a line must not have control characters"
    return None


async def handle(reader, writer, addr):
    partial = b""
    while data := await reader.read(4096):
        *lines, partial = (partial + data).split(b"\n")
        partial = partial[: 2 * MAX_LINE_LEN]
        for line in lines:
            if problem := complaint(line):
                send(writer, f"error: {problem}")
            elif line.strip():
                await broadcast(addr, line.decode())


async def serve(reader, writer):
    addr = "%s:%d" % writer.get_extra_info("peername")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    clients[addr] = writer
    try:
        await handle(reader, writer, addr)
    except OSError:
        pass  # a reset
    del clients[addr]
    writer.close()


async def stop():
    writers = list(clients.values())
    for writer in writers:
        send(writer, "the server is stopping")
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    os._exit(0)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("listening on %s:%d" % server.sockets[0].getsockname(), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline) != "quit\n":
        pass
    await stop()


asyncio.run(main())
