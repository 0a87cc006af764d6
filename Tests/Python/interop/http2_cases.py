"""What RFC 9113 and RFC 7541 demand of a server, as a table: a name, the section, the frames that a client sends after
its preface, and what has to come of them. test_http2_conformance.py sends them.

Expected is one of:
  connection(CODE, ...)   GOAWAY with one of the codes, and the end of the connection
  stream(N, CODE, ...)    RST_STREAM of stream N with one of the codes; the connection goes on
  ignored                 nothing; a PING and a request after it are answered as ever
  answered(N)             stream N is answered with grpc-status 0, the connection goes on
  http(N, STATUS)         stream N is answered with this HTTP status, the connection goes on

What is expected is what our server does. Where that is not the RFC's own first choice, the case says why: nearly always it
is nghttp2's way, and what a stream's error is may be treated as one of the connection (RFC 9113, section 5.4.2).
"""
from dataclasses import dataclass

from http2_frames import *  # noqa: F403: a table of frames reads best without a prefix
from http2_frames import block, frame, goaway, integer, literal, padded, rst_stream, settings, window_update
from interop_support import load_messages

EMPTY_CALL = "/grpc.testing.TestService/EmptyCall"
SLOW_CALL = "/grpc.testing.TestService/StreamingOutputCall"
DUPLEX_CALL = "/grpc.testing.TestService/FullDuplexCall"
NO_MESSAGE = b"\0\0\0\0\0"  # the five bytes before a message of no bytes
END = END_HEADERS | END_STREAM
BIG_FRAME = 16_384


@dataclass(frozen=True)
class Expected:
    kind: str
    codes: tuple = ()
    on: int = 0


# Why a case is not answered with the RFC's first choice.
STRICT = "an error of a stream, which nghttp2 treats as one of the connection: section 5.4.2 allows it"
CROSSING = ("nghttp2 ignores frames of a stream that it has forgotten: they may have crossed our RST_STREAM. Section 5.1 lets"
            " a server answer with STREAM_CLOSED and does not demand it")
OLD_NUMBER = ("section 5.1.1 demands PROTOCOL_ERROR; nghttp2 cannot tell an old stream from one that was skipped, since it"
              " keeps nothing of closed ones, and ignores both")
NO_PRIORITIES = "section 6.3 demands PROTOCOL_ERROR; nghttp2 drops PRIORITY frames unseen after NO_RFC7540_PRIORITIES"
ONE_STREAM = "section 6.9.2 demands an error of the connection; nghttp2 resets the streams whose window it would be"


def connection(*codes):
    return Expected("connection", codes)


def stream(number, *codes):
    return Expected("stream", codes, number)


def answered(number=1):
    return Expected("answered", on=number)


def http(number, status):
    return Expected("http", (status,), number)


ignored = Expected("ignored")


@dataclass(frozen=True)
class Case:
    section: str
    name: str
    sent: bytes
    expected: Expected
    why: str = ""  # why it is not the RFC's first choice

    def __str__(self):
        return f"{self.section} {self.name}"


def fields(path=EMPTY_CALL, without=(), **changed):
    """The header list of a call; a keyword such as method="GET" changes a pseudo-header."""
    pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "interop")]
    pseudo = [(name, changed.get(name[1:], value)) for name, value in pseudo if name not in without]
    return pseudo + [("te", "trailers"), ("content-type", "application/grpc")]


def head(*more, on=1, flags=END_HEADERS, **keywords):
    return frame(HEADERS, flags, on, block(*fields(**keywords), *more))


def data(payload=NO_MESSAGE, on=1, flags=END_STREAM):
    return frame(DATA, flags, on, payload)


def call(*more, on=1, **keywords):
    """A whole request of EmptyCall."""
    return head(*more, on=on, **keywords) + data(on=on)


def slow(on=1):
    """A request whose answer takes longer than any test: the stream stays half-closed."""
    m = load_messages()
    pause = m.ResponseParameters(size=1, interval_us=2_000_000_000)
    message = m.StreamingOutputCallRequest(response_parameters=[pause]).SerializeToString()
    return head(on=on, path=SLOW_CALL) + data(b"\0" + len(message).to_bytes(4, "big") + message, on)


def stalled(on=1):
    """A bidirectional call whose handler reads nothing more, left open."""
    m = load_messages()
    pause = m.ResponseParameters(size=1, interval_us=2_000_000_000)
    message = m.StreamingOutputCallRequest(response_parameters=[pause]).SerializeToString()
    return head(on=on, path=DUPLEX_CALL) + data(b"\0" + len(message).to_bytes(4, "big") + message, on, flags=0)


def raw_block(data_, on=1, flags=END_HEADERS):
    return frame(HEADERS, flags, on, data_)


def split(*cuts):
    """The header block of a call in HEADERS and CONTINUATION frames, cut at these positions; then its message."""
    whole = block(*fields())
    edges = [0, *cuts, len(whole)]
    parts = [whole[a:b] for a, b in zip(edges, edges[1:])]
    out = frame(HEADERS, 0, 1, parts[0])
    for index, part in enumerate(parts[1:]):
        out += frame(CONTINUATION, END_HEADERS if index == len(parts) - 2 else 0, 1, part)
    return out + data()


def malformed(section, name, *more, changed=None, without=()):
    """A request whose header list is malformed (section 8.1.1): an error of its stream."""
    return Case(section, name, head(*more, without=without, **(changed or {})) + b"", stream(1, PROTOCOL_ERROR))


FRAMES = [
    Case("4.1", "a frame of an unknown type", frame(0xEE, 0, 0, b"whatever"), ignored),
    Case("4.1", "a frame of an unknown type on a stream", head() + frame(0xEE, 0xFF, 1, b"x") + data(), answered()),
    Case("4.1", "flags that a type does not have", frame(PING, 0xFE, 0, bytes(8)), ignored),
    Case("4.1", "the reserved bit of the stream number", frame(PING, ACK, 1 << 31, bytes(8)), ignored),
    Case("4.2", "a DATA frame of 2^14 bytes", stalled() + data(bytes(BIG_FRAME), flags=0), ignored),
    Case("4.2", "a DATA frame of more", head() + data(bytes(BIG_FRAME + 1)), connection(FRAME_SIZE_ERROR)),
    Case("4.2", "a HEADERS frame of more", raw_block(bytes(BIG_FRAME + 1)), connection(FRAME_SIZE_ERROR)),
    Case("4.2", "an unknown frame of more", frame(0xEE, 0, 0, bytes(BIG_FRAME + 1)), connection(FRAME_SIZE_ERROR)),
    Case("4.3", "a header block that is none", raw_block(b"\xff" * 6), connection(COMPRESSION_ERROR)),
    Case("4.3", "another frame inside a header block",
         frame(HEADERS, 0, 1, block(*fields())) + frame(PRIORITY, 0, 1, bytes(5)), connection(PROTOCOL_ERROR)),
    Case("4.3", "another stream's HEADERS inside a header block",
         frame(HEADERS, 0, 1, block(*fields())) + head(on=3), connection(PROTOCOL_ERROR)),
    Case("4.3", "a header block cut between fields", split(len(literal(b":method", b"POST"))), answered()),
    Case("4.3", "a header block cut inside a field", split(3, 4, 5, 40), answered()),
    Case("4.3", "an empty piece of a header block", split(7, 7), answered()),
]

STREAMS = [
    Case("5.1", "DATA on an idle stream", data(), connection(PROTOCOL_ERROR)),
    Case("5.1", "RST_STREAM on an idle stream", rst_stream(1, CANCEL), connection(PROTOCOL_ERROR)),
    Case("5.1", "WINDOW_UPDATE on an idle stream", window_update(1, 1), connection(PROTOCOL_ERROR)),
    Case("5.1", "CONTINUATION on an idle stream", frame(CONTINUATION, END_HEADERS, 1, block(*fields())),
         connection(PROTOCOL_ERROR)),
    Case("5.1", "DATA on a half-closed stream", slow() + data(), connection(STREAM_CLOSED), STRICT),
    Case("5.1", "HEADERS on a half-closed stream", slow() + head(), connection(STREAM_CLOSED), STRICT),
    Case("5.1", "CONTINUATION on a half-closed stream", slow() + frame(CONTINUATION, END_HEADERS, 1, b""),
         connection(PROTOCOL_ERROR)),
    Case("5.1", "WINDOW_UPDATE, PRIORITY and RST_STREAM on a half-closed stream",
         slow() + window_update(1, 1) + frame(PRIORITY, 0, 1, bytes(5)) + rst_stream(1, CANCEL), ignored),
    Case("5.1", "WINDOW_UPDATE and RST_STREAM on a stream just reset",
         slow() + rst_stream(1, CANCEL) + window_update(1, 1) + rst_stream(1, CANCEL), ignored),
    Case("5.1", "PRIORITY on a closed stream", slow() + rst_stream(1, CANCEL) + frame(PRIORITY, 0, 1, bytes(5)), ignored),
    Case("5.1", "DATA on a stream that the client has reset", slow() + rst_stream(1, CANCEL) + data(), ignored, CROSSING),
    Case("5.1", "HEADERS on a stream that the client has reset", slow() + rst_stream(1, CANCEL) + head(flags=END), ignored,
         CROSSING),
    Case("5.1", "CONTINUATION on a closed stream", slow() + rst_stream(1, CANCEL) + frame(CONTINUATION, END_HEADERS, 1, b""),
         connection(PROTOCOL_ERROR)),
    Case("5.1.1", "an even stream number", call(on=2), connection(PROTOCOL_ERROR)),
    Case("5.1.1", "a stream number below the last", slow(5) + call(on=3), ignored, OLD_NUMBER),
    Case("5.1.1", "a stream number beyond the next", call(on=2001), answered(2001)),
    Case("5.1.1", "the greatest stream number", call(on=(1 << 31) - 1), answered((1 << 31) - 1)),
    Case("5.1.2", "more streams than are allowed",
         b"".join(head(on=2 * n + 1) for n in range(257)), connection(PROTOCOL_ERROR), STRICT),
    Case("5.3.2", "a stream that depends on itself", head(flags=END_HEADERS) + frame(PRIORITY, 0, 1, b"\0\0\0\1\0") + data(),
         answered()),
    Case("5.5", "an unknown frame inside a header block",
         frame(HEADERS, 0, 1, block(*fields())) + frame(0xEE, 0, 0, b""), connection(PROTOCOL_ERROR)),
]

TYPES = [
    Case("6.1", "DATA on stream 0", data(on=0), connection(PROTOCOL_ERROR)),
    Case("6.1", "padding as long as the frame", head() + frame(DATA, PADDED | END_STREAM, 1, b"\5" + bytes(4)),
         connection(PROTOCOL_ERROR)),
    Case("6.1", "a padded frame without its length", head() + frame(DATA, PADDED | END_STREAM, 1, b""),
         connection(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    Case("6.1", "padded DATA", head() + frame(DATA, PADDED | END_STREAM, 1, padded(NO_MESSAGE, 255)), answered()),
    Case("6.1", "nothing but padding", head() + frame(DATA, PADDED, 1, padded(b"", 9)) + data(), answered()),
    Case("6.2", "HEADERS on stream 0", head(on=0), connection(PROTOCOL_ERROR)),
    Case("6.2", "padding longer than the frame", raw_block(b"\xff" + block(*fields()), flags=END_HEADERS | PADDED),
         connection(PROTOCOL_ERROR)),
    Case("6.2", "padded HEADERS", raw_block(padded(block(*fields()), 200), flags=END_HEADERS | PADDED) + data(), answered()),
    Case("6.2", "HEADERS with a priority",
         raw_block(b"\x80\0\0\0\x0f" + block(*fields()), flags=END_HEADERS | HAS_PRIORITY) + data(), answered()),
    Case("6.2", "padded HEADERS with a priority",
         raw_block(padded(b"\0\0\0\0\x0f" + block(*fields()), 3), flags=END_HEADERS | HAS_PRIORITY | PADDED) + data(),
         answered()),
    Case("6.2", "HEADERS too short for their priority", raw_block(b"\0\0\0\0", flags=END_HEADERS | HAS_PRIORITY),
         connection(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    Case("6.3", "PRIORITY on an idle stream", frame(PRIORITY, 0, 9, b"\0\0\0\1\x0f") + call(on=11), answered(11)),
    Case("6.3", "PRIORITY on stream 0", frame(PRIORITY, 0, 0, bytes(5)), ignored, NO_PRIORITIES),
    Case("6.3", "PRIORITY of 4 bytes", head() + frame(PRIORITY, 0, 1, bytes(4)), connection(FRAME_SIZE_ERROR)),
    Case("6.4", "RST_STREAM on stream 0", rst_stream(0, CANCEL), connection(PROTOCOL_ERROR)),
    Case("6.4", "RST_STREAM of 3 bytes", slow() + frame(RST_STREAM, 0, 1, bytes(3)), connection(FRAME_SIZE_ERROR)),
    Case("6.4", "RST_STREAM of 5 bytes", slow() + frame(RST_STREAM, 0, 1, bytes(5)), connection(FRAME_SIZE_ERROR)),
    Case("6.4", "RST_STREAM with an unknown code", slow() + rst_stream(1, 0xDEADBEEF), ignored),
    Case("6.5", "SETTINGS on a stream", frame(SETTINGS, 0, 1, b""), connection(PROTOCOL_ERROR)),
    Case("6.5", "SETTINGS of 3 bytes", frame(SETTINGS, 0, 0, bytes(3)), connection(FRAME_SIZE_ERROR)),
    Case("6.5", "an acknowledgement with settings", frame(SETTINGS, ACK, 0, bytes(6)), connection(FRAME_SIZE_ERROR)),
    Case("6.5.2", "ENABLE_PUSH of 2", settings((ENABLE_PUSH, 2)), connection(PROTOCOL_ERROR)),
    Case("6.5.2", "a window beyond 2^31 - 1", settings((INITIAL_WINDOW_SIZE, 1 << 31)), connection(FLOW_CONTROL_ERROR)),
    Case("6.5.2", "the widest window", settings((INITIAL_WINDOW_SIZE, (1 << 31) - 1)) + call(), answered()),
    Case("6.5.2", "frames below 2^14", settings((MAX_FRAME_SIZE, BIG_FRAME - 1)), connection(PROTOCOL_ERROR)),
    Case("6.5.2", "frames beyond 2^24 - 1", settings((MAX_FRAME_SIZE, 1 << 24)), connection(PROTOCOL_ERROR)),
    Case("6.5.2", "the largest frames", settings((MAX_FRAME_SIZE, (1 << 24) - 1)) + call(), answered()),
    Case("6.5.2", "an unknown setting", settings((0xFFFF, 7), (0, 7)) + call(), answered()),
    Case("6.5.2", "a header table of no bytes", settings((HEADER_TABLE_SIZE, 0)) + call(), answered()),
    Case("6.5.2", "no streams of the server's", settings((MAX_CONCURRENT_STREAMS, 0)) + call(), answered()),
    Case("6.6", "PUSH_PROMISE of a client", call() + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + block(*fields())),
         connection(PROTOCOL_ERROR)),
    Case("6.7", "an answer to no PING", frame(PING, ACK, 0, bytes(8)), ignored),
    Case("6.7", "PING on a stream", frame(PING, 0, 1, bytes(8)), connection(PROTOCOL_ERROR)),
    Case("6.7", "PING of 6 bytes", frame(PING, 0, 0, bytes(6)), connection(FRAME_SIZE_ERROR)),
    Case("6.7", "PING of 9 bytes", frame(PING, 0, 0, bytes(9)), connection(FRAME_SIZE_ERROR)),
    Case("6.8", "GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), connection(PROTOCOL_ERROR)),
    Case("6.8", "GOAWAY of 7 bytes", frame(GOAWAY, 0, 0, bytes(7)), connection(FRAME_SIZE_ERROR)),
    Case("6.9", "a window that grows by nothing", window_update(0, 0), connection(PROTOCOL_ERROR)),
    Case("6.9", "a stream's window that grows by nothing", slow() + window_update(1, 0),
         connection(PROTOCOL_ERROR), STRICT),
    Case("6.9", "WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, bytes(3)), connection(FRAME_SIZE_ERROR)),
    Case("6.9", "WINDOW_UPDATE of 5 bytes", frame(WINDOW_UPDATE, 0, 0, bytes(5)), connection(FRAME_SIZE_ERROR)),
    Case("6.9", "the reserved bit of an increment", frame(WINDOW_UPDATE, 0, 0, b"\x80\0\0\1"), ignored),
    Case("6.9.1", "a window beyond 2^31 - 1", window_update(0, (1 << 31) - 1), connection(FLOW_CONTROL_ERROR)),
    Case("6.9.1", "a stream's window beyond 2^31 - 1", slow() + window_update(1, (1 << 31) - 1),
         stream(1, FLOW_CONTROL_ERROR)),
    Case("6.9.1", "more than the stream's window",
         stalled() + b"".join(data(bytes(BIG_FRAME), flags=0) for _ in range(17)), stream(1, FLOW_CONTROL_ERROR)),
    Case("6.9.2", "settings that make a window too wide",
         settings((INITIAL_WINDOW_SIZE, 1000)) + slow() + window_update(1, (1 << 31) - 1001)
         + settings((INITIAL_WINDOW_SIZE, 1001)), stream(1, FLOW_CONTROL_ERROR), ONE_STREAM),
    Case("6.10", "CONTINUATION after the end of a header block", head() + frame(CONTINUATION, END_HEADERS, 1, b""),
         connection(PROTOCOL_ERROR)),
    Case("6.10", "CONTINUATION on stream 0", frame(HEADERS, 0, 1, block(*fields())) + frame(CONTINUATION, END_HEADERS, 0, b""),
         connection(PROTOCOL_ERROR)),
    Case("6.10", "CONTINUATION of another stream",
         frame(HEADERS, 0, 1, block(*fields())) + frame(CONTINUATION, END_HEADERS, 3, b""), connection(PROTOCOL_ERROR)),
    Case("6.10", "DATA inside a header block", frame(HEADERS, 0, 1, block(*fields())) + data(), connection(PROTOCOL_ERROR)),
]

SEMANTICS = [
    Case("8.1", "trailers that do not end the request", head() + head(), stream(1, PROTOCOL_ERROR)),
    Case("8.1", "trailers",
         head() + data(flags=0) + frame(HEADERS, END, 1, block(("x-trailer", "1"))), answered()),
    Case("8.1", "trailers with a pseudo-header",
         head() + data(flags=0) + frame(HEADERS, END, 1, block((":method", "POST"))), stream(1, PROTOCOL_ERROR)),
    malformed("8.2", "a name in capitals", ("X-Capital", "1")),
    malformed("8.2.1", "a name with a space", ("x y", "1")),
    malformed("8.2.1", "a name with a colon", ("x:y", "1")),
    malformed("8.2.1", "a name with a control character", (b"x\x01", "1")),
    malformed("8.2.1", "a name beyond ASCII", (b"x\xff", "1")),
    malformed("8.2.1", "no name", ("", "1")),
    malformed("8.2.1", "a value with NUL", ("x", b"a\0b")),
    malformed("8.2.1", "a value with LF", ("x", "a\nb")),
    malformed("8.2.1", "a value with CR", ("x", "a\rb")),
    malformed("8.2.1", "a value that begins with a space", ("x", " a")),
    malformed("8.2.1", "a value that ends with a tab", ("x", "a\t")),
    malformed("8.2.2", "connection", ("connection", "keep-alive")),
    malformed("8.2.2", "keep-alive", ("keep-alive", "1")),
    malformed("8.2.2", "proxy-connection", ("proxy-connection", "keep-alive")),
    malformed("8.2.2", "transfer-encoding", ("transfer-encoding", "chunked")),
    malformed("8.2.2", "upgrade", ("upgrade", "h2c")),
    malformed("8.2.2", "te other than trailers", ("te", "gzip")),
    malformed("8.3", "an unknown pseudo-header", (":unknown", "1")),
    Case("8.3", "an unknown pseudo-header before the others",
         raw_block(block((":unknown", "1"), *fields())), stream(1, PROTOCOL_ERROR)),
    Case("8.3", "the pseudo-header of a response",
         raw_block(block((":status", "200"), *fields())), stream(1, PROTOCOL_ERROR)),
    Case("8.3", "a pseudo-header after a field",
         raw_block(block(("x", "1"), *fields())), stream(1, PROTOCOL_ERROR)),
    Case("8.3.1", "two methods", raw_block(block((":method", "POST"), *fields())), stream(1, PROTOCOL_ERROR)),
    Case("8.3.1", "two schemes", raw_block(block((":scheme", "http"), *fields())), stream(1, PROTOCOL_ERROR)),
    Case("8.3.1", "two paths", raw_block(block((":path", EMPTY_CALL), *fields())), stream(1, PROTOCOL_ERROR)),
    Case("8.3.1", "two authorities", raw_block(block((":authority", "x"), *fields())), stream(1, PROTOCOL_ERROR)),
    malformed("8.3.1", "no method", without=(":method",)),
    malformed("8.3.1", "no scheme", without=(":scheme",)),
    malformed("8.3.1", "no path", without=(":path",)),
    malformed("8.3.1", "an empty path", changed={"path": ""}),
    malformed("8.3.1", "a path without its slash", changed={"path": "grpc.testing.TestService/EmptyCall"}),
    Case("8.3.1", "host in place of the authority", call(("host", "interop"), without=(":authority",)), answered()),
    Case("8.1.1", "content-length below the body's", head(("content-length", "4")) + data(), stream(1, PROTOCOL_ERROR)),
    Case("8.1.1", "content-length beyond the body's", head(("content-length", "6")) + data(), stream(1, PROTOCOL_ERROR)),
    Case("8.1.1", "content-length beyond the body's frames",
         head(("content-length", "6")) + data(flags=0) + data(b""), stream(1, PROTOCOL_ERROR)),
    Case("8.1.1", "content-length of the body", call(("content-length", "5")), answered()),
    malformed("8.1.1", "content-length that is no number", ("content-length", "five")),
    malformed("8.1.1", "two content-lengths", ("content-length", "5"), ("content-length", "5")),
    Case("8.2.3", "cookies in pieces", call(("cookie", "a=b"), ("cookie", "c=d")), answered()),
    Case("8.5", "CONNECT with a path", head(method="CONNECT", flags=END), stream(1, PROTOCOL_ERROR)),
    Case("8.5", "CONNECT", head(method="CONNECT", without=(":scheme", ":path"), flags=END), http(1, "405")),
    Case("8.5", "GET, which gRPC has not", head(method="GET", flags=END), http(1, "405")),
]


def field_block(data_, on=1):
    """A call whose header block ends with these bytes."""
    return raw_block(block(*fields()) + data_, on) + data(on=on)


INDEXED_NAME = b"\x40" + integer(6, 7) + b"x-name" + integer(5, 7) + b"value"  # enters the dynamic table
LATEST = integer(62, 7, 0x80)  # the field that entered it last

HPACK = [
    Case("7541 2.3.3", "an index beyond both tables", field_block(integer(62, 7, 0x80)), connection(COMPRESSION_ERROR)),
    Case("7541 2.3.3", "a name's index beyond both tables", field_block(integer(70, 6, 0x40) + b"\1x"),
         connection(COMPRESSION_ERROR)),
    Case("7541 2.3.2", "a field out of the dynamic table", field_block(INDEXED_NAME + LATEST), answered()),
    Case("7541 2.3.2", "a field out of the dynamic table of an earlier request",
         field_block(INDEXED_NAME) + raw_block(block(*fields()) + LATEST, 3) + data(on=3), answered(3)),
    Case("7541 4.2", "a table larger than allowed", raw_block(integer(4097, 5, 0x20) + block(*fields())),
         connection(COMPRESSION_ERROR)),
    Case("7541 4.2", "a table made small and large again",
         raw_block(integer(0, 5, 0x20) + integer(4096, 5, 0x20) + block(*fields())) + data(), answered()),
    Case("7541 4.2", "a change of the table's size after a field", field_block(integer(0, 5, 0x20)),
         connection(COMPRESSION_ERROR)),
    Case("7541 4.4", "a field larger than the table",
         raw_block(integer(32, 5, 0x20) + block(*fields()) + INDEXED_NAME + LATEST), connection(COMPRESSION_ERROR)),
    Case("7541 5.1", "an integer that never ends", field_block(b"\xff" + b"\x80" * 12), connection(COMPRESSION_ERROR)),
    Case("7541 5.1", "an integer too large", field_block(b"\xff" + b"\xff" * 10 + b"\x01"), connection(COMPRESSION_ERROR)),
    Case("7541 5.2", "a string longer than its block", field_block(b"\0\1x" + integer(100, 7) + b"short"),
         connection(COMPRESSION_ERROR)),
    Case("7541 5.2", "Huffman code with a byte of padding", field_block(b"\0\1x\x82\x1f\xff"), connection(COMPRESSION_ERROR)),
    Case("7541 5.2", "Huffman code padded with zeros", field_block(b"\0\1x\x81\x18"), connection(COMPRESSION_ERROR)),
    Case("7541 5.2", "Huffman code with its end inside", field_block(b"\0\1x\x84\xff\xff\xff\xff"),
         connection(COMPRESSION_ERROR)),
    Case("7541 5.2", "Huffman code", field_block(b"\0\1x\x81\x1f"), answered()),
    Case("7541 6.1", "index 0", field_block(b"\x80"), connection(COMPRESSION_ERROR)),
    Case("7541 6.2.3", "a field that is never indexed", field_block(b"\x10\1x\1y"), answered()),
    Case("7541 6.2", "a literal without its value", field_block(b"\x40\1x"), connection(COMPRESSION_ERROR)),
]

CASES = FRAMES + STREAMS + TYPES + SEMANTICS + HPACK
