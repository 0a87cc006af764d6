"""The HTTP/2 of our server against the RFCs: the table of http2_cases.py, and what a table cannot say.

One case by hand: .venv/bin/python -m pytest Tests/Python/interop/test_http2_conformance.py -k "6.9 and nothing"
"""
import struct

import http2_frames as h2
import pytest
from http2_cases import CASES, END, INDEXED_NAME, LATEST, Case, call, data, fields, head, raw_block, slow
from http2_frames import block, connect, frame, rst_stream, settings, window_update
from interop_support import SECONDS, load_messages

PROBE = b"conforms"
LAST = (1 << 31) - 1


def dial(server):
    return connect(server.host, server.port, SECONDS)


def greet(server, *pairs):
    """A connection after both prefaces and their acknowledgements."""
    wire = dial(server)
    wire.write(h2.MAGIC + settings(*pairs))
    while not (got := wire.read()).has(h2.ACK) or got.kind != h2.SETTINGS:
        if got.kind == h2.SETTINGS:
            wire.write(frame(h2.SETTINGS, h2.ACK, 0))
    return wire


def until(wire, wanted):
    """Reads to the first frame that `wanted` takes; any GOAWAY before it fails the test."""
    while True:
        try:
            got = wire.read()
        except (EOFError, ConnectionError):
            pytest.fail("the server closed the connection")
        if wanted(got):
            return got
        assert got.kind != h2.GOAWAY, f"the server says GOAWAY with {h2.ERRORS[got.code]}: {got.payload[8:]}"


def expect_alive(wire, next_stream):
    """A PING and, when there is a stream number left, a request are answered."""
    wire.write(frame(h2.PING, 0, 0, PROBE))
    until(wire, lambda f: f.kind == h2.PING and f.has(h2.ACK) and f.payload == PROBE)
    if next_stream <= LAST:
        wire.write(call(on=next_stream))
        expect_answer(wire, next_stream)


def expect_answer(wire, stream):
    """The stream ends with grpc-status 0."""
    def ends(got):
        assert got.kind != h2.RST_STREAM or got.stream != stream, f"the stream is reset with {h2.ERRORS[got.code]}"
        return got.stream == stream and got.fields is not None and got.has(h2.END_STREAM)
    found = dict(until(wire, ends).fields)
    assert found.get("grpc-status") == "0", found


def expect_end(wire, *codes):
    """GOAWAY with one of the codes, then the end."""
    while (got := wire.read()).kind != h2.GOAWAY:
        pass
    names = [h2.ERRORS[code] for code in codes]
    assert h2.ERRORS[got.code] in names, f"GOAWAY with {h2.ERRORS[got.code]} ({got.payload[8:]}), not {names}"
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            wire.read()


def expect_reset(wire, stream, *codes):
    got = until(wire, lambda f: f.kind == h2.RST_STREAM and f.stream == stream)
    names = [h2.ERRORS[code] for code in codes]
    assert h2.ERRORS[got.code] in names, f"RST_STREAM with {h2.ERRORS[got.code]}, not {names}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rfc(server, case: Case):
    wire, expected = greet(server), case.expected
    try:
        wire.write(case.sent)
    except ConnectionError:
        pass  # the server has closed it already; what it said is still to be read
    highest = max(expected.on, 1001)
    if expected.kind == "connection":
        expect_end(wire, *expected.codes)
    elif expected.kind == "stream":
        expect_reset(wire, expected.on, *expected.codes)
        expect_alive(wire, highest + 2)
    elif expected.kind == "answered":
        expect_answer(wire, expected.on)
        expect_alive(wire, highest + 2)
    elif expected.kind == "http":
        got = until(wire, lambda f: f.stream == expected.on and f.fields is not None)
        assert dict(got.fields)[":status"] == expected.codes[0]
        expect_alive(wire, highest + 2)
    else:
        assert expected.kind == "ignored"
        expect_alive(wire, highest + 2)
    wire.close()


def test_each_name_is_there_once():
    assert len({str(case) for case in CASES}) == len(CASES) > 100


# --- 3.4: the preface -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + settings(), b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 2],
                         ids=["changed", "of HTTP/1.1"])
def test_3_4_a_wrong_preface_ends_the_connection(server, sent):
    wire = dial(server)
    wire.write(sent)
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            assert wire.read().kind in (h2.SETTINGS, h2.WINDOW_UPDATE, h2.GOAWAY)


@pytest.mark.parametrize("first", [frame(h2.PING, 0, 0, bytes(8)), call(), frame(h2.SETTINGS, h2.ACK, 0)],
                         ids=["PING", "HEADERS", "an acknowledgement"])
def test_3_4_the_preface_goes_on_with_settings(server, first):
    wire = dial(server)
    wire.write(h2.MAGIC + first)
    expect_end(wire, h2.PROTOCOL_ERROR)


def test_3_4_the_server_begins_with_settings(server):
    wire = dial(server)
    wire.write(h2.MAGIC + settings())
    first = wire.read()
    assert (first.kind, first.flags, first.stream) == (h2.SETTINGS, 0, 0)


def test_3_4_a_request_may_come_with_the_preface(server):
    wire = dial(server)
    wire.write(h2.MAGIC + settings() + call())
    expect_answer(wire, 1)


# --- 6.5.3, 6.7, 6.8: acknowledgements and GOAWAY ---------------------------------------------------------------------


def test_6_5_3_each_settings_frame_is_acknowledged(server):
    wire = greet(server)
    wire.write(settings((h2.MAX_FRAME_SIZE, 20_000)) * 3)
    for _ in range(3):
        until(wire, lambda f: f.kind == h2.SETTINGS and f.has(h2.ACK))


def test_6_5_3_of_two_values_the_later_holds(server):
    wire = greet(server, (h2.INITIAL_WINDOW_SIZE, 100), (h2.INITIAL_WINDOW_SIZE, 3))
    wire.write(call())
    assert len(until(wire, lambda f: f.kind == h2.DATA).payload) == 3


def test_6_7_a_ping_is_answered_with_its_bytes(server):
    wire = greet(server)
    wire.write(frame(h2.PING, 0, 0, b"8 bytes."))
    assert until(wire, lambda f: f.kind == h2.PING and f.has(h2.ACK)).payload == b"8 bytes."


def test_6_8_a_client_that_goes_away_gets_the_answers_that_are_open(server):
    wire = greet(server)
    wire.write(head() + h2.goaway(0, 0xBEEF, b"debug data") + data())
    expect_answer(wire, 1)


def test_6_8_the_last_stream_is_named(server):
    wire = greet(server)
    wire.write(slow(7) + frame(h2.PING, 0, 1, bytes(8)))
    got = None
    while got is None or got.kind != h2.GOAWAY:
        got = wire.read()
    assert struct.unpack(">I", got.payload[:4])[0] == 7


# --- 6.9: flow control ------------------------------------------------------------------------------------------------


def test_6_9_1_no_more_is_sent_than_the_window_holds(server):
    wire = greet(server, (h2.INITIAL_WINDOW_SIZE, 1))
    wire.write(call())
    received = b""
    for _ in range(5):
        received += until(wire, lambda f: f.kind == h2.DATA).payload
        # A PING that is answered first shows that nothing else was on its way.
        wire.write(frame(h2.PING, 0, 0, PROBE))
        got = until(wire, lambda f: f.kind != h2.WINDOW_UPDATE)
        assert got.kind == h2.PING or len(received) == 5, "the server sends more than the window holds"
        wire.write(window_update(1, 1))
    assert received == bytes(5)


def test_6_9_1_the_connection_has_a_window_too(server):
    size = 100_000
    m = load_messages()
    request = m.SimpleRequest(response_size=size).SerializeToString()
    wire = greet(server, (h2.INITIAL_WINDOW_SIZE, 1 << 30))
    wire.write(frame(h2.HEADERS, h2.END_HEADERS, 1, block(*fields("/grpc.testing.TestService/UnaryCall")))
               + data(b"\0" + len(request).to_bytes(4, "big") + request))
    received = 0
    while received < 65_535:
        received += len(until(wire, lambda f: f.kind == h2.DATA).payload)
    assert received == 65_535
    wire.write(frame(h2.PING, 0, 0, PROBE))
    assert until(wire, lambda f: f.kind in (h2.DATA, h2.PING)).kind == h2.PING
    wire.write(window_update(0, 1 << 20))
    expect_answer(wire, 1)


def test_6_9_2_settings_change_the_windows_of_open_streams(server):
    wire = greet(server, (h2.INITIAL_WINDOW_SIZE, 0))
    wire.write(call())
    until(wire, lambda f: f.fields is not None)
    wire.write(frame(h2.PING, 0, 0, PROBE))
    assert until(wire, lambda f: f.kind in (h2.DATA, h2.PING)).kind == h2.PING
    wire.write(settings((h2.INITIAL_WINDOW_SIZE, 5)))
    expect_answer(wire, 1)


def test_6_9_2_a_window_may_become_negative(server):
    wire = greet(server, (h2.INITIAL_WINDOW_SIZE, 3))
    wire.write(call())
    assert len(until(wire, lambda f: f.kind == h2.DATA).payload) == 3
    # 3 were sent: with 1 allowed the window is -2, so that 3 more make 1.
    wire.write(settings((h2.INITIAL_WINDOW_SIZE, 1)) + window_update(1, 2) + frame(h2.PING, 0, 0, PROBE))
    assert until(wire, lambda f: f.kind in (h2.DATA, h2.PING) and not (f.kind == h2.PING and not f.has(h2.ACK))).kind == h2.PING
    wire.write(window_update(1, 1))
    assert len(until(wire, lambda f: f.kind == h2.DATA).payload) == 1
    wire.write(window_update(1, 100))
    expect_answer(wire, 1)


def test_6_9_the_window_opens_as_a_request_is_read(server):
    size = 3 << 20
    m = load_messages()
    request = m.SimpleRequest(payload=m.Payload(body=bytes(size))).SerializeToString()
    body = b"\0" + len(request).to_bytes(4, "big") + request
    wire = dial(server)
    wire.write(h2.MAGIC + settings())
    windows = {0: 65_535, 1: 65_535}
    wire.write(frame(h2.HEADERS, h2.END_HEADERS, 1, block(*fields("/grpc.testing.TestService/UnaryCall"))))
    sent = 0
    while sent < len(body):
        room = min(16_384, windows[0], windows[1], len(body) - sent)
        if room > 0:
            sent += room
            wire.write(data(body[sent - room:sent], flags=h2.END_STREAM if sent == len(body) else 0))
            windows = {stream: window - room for stream, window in windows.items()}
            continue
        got = wire.read()
        if got.kind == h2.WINDOW_UPDATE:
            windows[got.stream] += got.increment
        elif got.kind == h2.SETTINGS and not got.has(h2.ACK):
            values = dict(struct.iter_unpack(">HI", got.payload))
            windows[1] += values[h2.INITIAL_WINDOW_SIZE] - 65_535
            wire.write(frame(h2.SETTINGS, h2.ACK, 0))
    expect_answer(wire, 1)


def test_6_9_what_comes_for_a_forgotten_stream_gives_its_room_back(server):
    wire = greet(server)
    wire.write(head(path="/no.such.Service/Method"))
    expect_reset(wire, 1, h2.NO_ERROR)
    # Three times the connection's window: what nobody reads has to be counted as read.
    for sent in range(0, 3 << 20, 16_384):
        while 65_535 + wire.opened - sent < 16_384:
            until(wire, lambda f: f.kind == h2.WINDOW_UPDATE)
        wire.write(data(bytes(16_384), flags=0))
    expect_alive(wire, 3)


def test_5_1_header_blocks_of_a_forgotten_stream_are_still_decoded(server):
    wire = greet(server)
    wire.write(slow(1) + rst_stream(1, h2.CANCEL) + raw_block(block(*fields()) + INDEXED_NAME, 1, END))
    # The field that came for nobody entered the table, where the next request finds it.
    wire.write(raw_block(block(*fields()) + LATEST, 3) + data(on=3))
    expect_answer(wire, 3)


# --- 8: what is answered ----------------------------------------------------------------------------------------------


def test_8_1_the_answer_to_a_half_sent_request_ends_it(server):
    """A server that has answered before the request is whole may say so with NO_ERROR (section 8.1)."""
    wire = greet(server)
    wire.write(head(path="/no.such.Service/Method"))
    got = until(wire, lambda f: f.fields is not None)
    assert dict(got.fields)["grpc-status"] == "12" and got.has(h2.END_STREAM)
    expect_reset(wire, 1, h2.NO_ERROR)
    expect_alive(wire, 3)


def test_8_4_the_server_pushes_nothing(server):
    wire = greet(server, (h2.ENABLE_PUSH, 1))
    wire.write(call())
    kinds = set()

    def ends(got):
        kinds.add(got.kind)
        return got.stream == 1 and got.has(h2.END_STREAM)
    until(wire, ends)
    assert h2.PUSH_PROMISE not in kinds


def test_5_1_a_reset_ends_the_call_and_nothing_else(server):
    wire = greet(server)
    wire.write(slow(1) + call(on=3) + rst_stream(1, h2.CANCEL))
    expect_answer(wire, 3)
    expect_alive(wire, 5)
