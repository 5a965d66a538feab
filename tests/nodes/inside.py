"""What runs first on a node: brings up its network and hides what it must not see.

python inside.py SOCKET PORT HIDDEN[:HIDDEN...] COMMAND...
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading

SIOCSIFFLAGS = 0x8914
UP = 0x1 | 0x40  # IFF_UP, IFF_RUNNING


def main() -> None:
    path, port, hidden = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", UP))
    for one in sorted(filter(None, hidden.split(":")), reverse=True):  # what is inside comes first
        subprocess.run(["mount", "-t", "tmpfs", "none", one], check=True)
    # Where Argo Workflows reads what a container says.
    subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], check=True)
    os.mkdir("/mnt/out")  # noqa: PTH102
    server = socket.create_server(("127.0.0.1", port), backlog=64)
    threading.Thread(target=forward, args=[server, path], daemon=True).start()
    sys.exit(subprocess.run(sys.argv[4:], check=False).returncode)


def forward(server: socket.socket, path: str) -> None:
    while True:
        inner, _ = server.accept()
        outer = socket.socket(socket.AF_UNIX)
        outer.connect(path)
        for one, other in ((inner, outer), (outer, inner)):
            threading.Thread(target=pump, args=[one, other], daemon=True).start()


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while True:
            data = source.recv(1 << 16)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


main()
