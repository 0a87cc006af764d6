"""HTTP/2 frames by hand, so that they can be wrong in every way that a test needs. HPACK is hpack's, or raw bytes."""
import socket
import struct
from dataclasses import dataclass

from hpack import Decoder

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 1
END_HEADERS, PADDED, HAS_PRIORITY = 4, 8, 32

(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
ERRORS = ("NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR"
          " REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM").split()

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)

MAGIC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b"", length=None):
    """A frame; `length` says something else than the payload's true length."""
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst_stream(stream, code):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def goaway(last, code=NO_ERROR, debug=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def padded(payload, padding):
    return bytes([padding]) + payload + bytes(padding)


def integer(value, prefix_bits, first=0):
    """An HPACK integer (RFC 7541, section 5.1)."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytes([first | most]), value - most
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def literal(name, value):
    """A literal field without indexing, without Huffman code: the bytes as they are, right or wrong."""
    return b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value


def block(*fields):
    """A header block of literals. Names and values are str or bytes."""
    def raw(text):
        return text if isinstance(text, bytes) else text.encode()
    return b"".join(literal(raw(name), raw(value)) for name, value in fields)


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes
    fields: list | None = None  # of HEADERS, decoded

    @property
    def code(self):
        """The error code of RST_STREAM or GOAWAY."""
        return struct.unpack(">I", self.payload[4:8] if self.kind == GOAWAY else self.payload[:4])[0]

    @property
    def increment(self):
        return struct.unpack(">I", self.payload)[0] & 0x7FFFFFFF

    def has(self, flag):
        return self.flags & flag != 0


class Wire:
    """One end of a connection: writes bytes, reads frames. Decodes header lists, each in one frame or more."""

    def __init__(self, connected, seconds):
        self.socket = connected
        self.socket.settimeout(seconds)
        self.buffer = b""
        self.decoder = Decoder()
        self.partial = None
        self.opened = 0  # how much wider the peer has made the connection's window

    def write(self, data):
        self.socket.sendall(data)

    def read_exactly(self, count):
        while len(self.buffer) < count:
            chunk = self.socket.recv(65_536)
            if not chunk:
                raise EOFError
            self.buffer += chunk
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read(self):
        """The next frame; EOFError when the peer has closed, TimeoutError when it is silent."""
        head = self.read_exactly(9)
        found = Frame(head[3], head[4], struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF,
                      self.read_exactly(int.from_bytes(head[:3], "big")))
        if found.kind == HEADERS:
            payload = found.payload
            if found.has(PADDED):
                payload = payload[1:len(payload) - payload[0]]
            if found.has(HAS_PRIORITY):
                payload = payload[5:]
            self.partial = (found, payload)
        elif found.kind == WINDOW_UPDATE and found.stream == 0:
            self.opened += found.increment
        elif found.kind == CONTINUATION:
            first, payload = self.partial
            self.partial = (first, payload + found.payload)
        if found.kind in (HEADERS, CONTINUATION) and found.has(END_HEADERS):
            first, payload = self.partial
            first.fields = found.fields = self.decoder.decode(payload)
        return found

    def close(self):
        self.socket.close()


def connect(host, port, seconds):
    return Wire(socket.create_connection((host, port), seconds), seconds)
