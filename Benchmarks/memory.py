"""Resident memory of the server, idle and with many idle connections."""
import resource
import socket
import time

import machine

#: The client preface and an empty SETTINGS frame (RFC 9113, section 3.4).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
SETTINGS_ACK = b"\0\0\0\4\1\0\0\0\0"


def run(pid, address, connections):
    """Prints and returns (idle bytes, bytes a connection)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
    host, port = address.rsplit(":", 1)
    idle = machine.resident(pid)
    peers = []
    try:
        for _ in range(connections):
            peer = socket.create_connection((host, int(port)), 10)
            peer.sendall(PREFACE)
            peers.append(peer)
        for peer in peers:
            # The server's SETTINGS have come: its session exists.
            if not peer.recv(1024):
                raise SystemExit("the server closed an idle connection")
            peer.sendall(SETTINGS_ACK)
        time.sleep(1)
        full = machine.resident(pid)
    finally:
        for peer in peers:
            peer.close()
    each = (full - idle) / connections
    print(f"\nResident memory: idle {idle / 2**20:.1f} MiB, {connections:,} idle connections {full / 2**20:.1f} MiB,"
          f" {each / 1024:.1f} KiB each")
    return idle, each
