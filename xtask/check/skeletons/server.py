# {title}
#
{contract}

import socket
import sys

host, _, port = sys.argv[1].rpartition(":")

with socket.create_server((host, int(port))) as listener:
    print("listening on", sys.argv[1], flush=True)
    while True:
        stream, peer_addr = listener.accept()  # waits for a client
        print("connected:", peer_addr, flush=True)
        with stream:
            pass  # here: receive what the client sends, and send the answer
