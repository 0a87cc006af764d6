"""The compressed cases of gRPC's interop test descriptions against our server: by grpcio, and on the wire, where the flag of
each message can be seen.

grpcio compresses a call's requests by `compression`, but cannot leave a single request of a stream uncompressed, so the
requests of client_compressed_streaming go over the wire by hand.
"""
import gzip
import struct

import grpc
import http2_frames as h2
import pytest
from http2_cases import fields
from http2_frames import block, frame
from interop_support import SECONDS
from test_http2_conformance import greet, until
from test_server import ANSWER, BODY, Stub, check_large, failed, zeros


@pytest.fixture
def stub(channel, messages):
    return Stub(channel, messages)


def true(messages, value=True):
    return messages.BoolValue(value=value)


def unary(messages, **more):
    return messages.SimpleRequest(response_size=ANSWER, payload=zeros(messages, BODY), **more)


# --- By grpcio --------------------------------------------------------------------------------------------------------


def test_client_compressed_unary(stub, messages):
    probe = failed(lambda: stub.unary(unary(messages, expect_compressed=true(messages)), timeout=SECONDS))
    assert probe.code() == grpc.StatusCode.INVALID_ARGUMENT
    check_large(stub.unary(
        unary(messages, expect_compressed=true(messages)), compression=grpc.Compression.Gzip, timeout=SECONDS))
    check_large(stub.unary(unary(messages, expect_compressed=true(messages, False)), timeout=SECONDS))


@pytest.mark.parametrize("wanted", [True, False])
def test_server_compressed_unary(stub, messages, wanted):
    request = unary(messages, response_compressed=true(messages, wanted))
    response, call = stub.unary.with_call(request, timeout=SECONDS)
    check_large(response)
    assert call.code() == grpc.StatusCode.OK


def test_client_compressed_streaming_probe(stub, messages):
    request = messages.StreamingInputCallRequest(expect_compressed=true(messages), payload=zeros(messages, 27_182))
    assert failed(lambda: stub.input(iter([request]), timeout=SECONDS)).code() == grpc.StatusCode.INVALID_ARGUMENT
    answer = stub.input(iter([request]), compression=grpc.Compression.Gzip, timeout=SECONDS)
    assert answer.aggregated_payload_size == 27_182


def test_server_compressed_streaming(stub, messages):
    request = messages.StreamingOutputCallRequest(response_parameters=[
        messages.ResponseParameters(size=31_415, compressed=true(messages)),
        messages.ResponseParameters(size=92_653, compressed=true(messages, False))])
    assert [len(r.payload.body) for r in stub.output(request, timeout=SECONDS)] == [31_415, 92_653]


def test_deflate_is_refused_with_what_is_taken(stub, messages):
    error = failed(lambda: stub.unary(unary(messages), compression=grpc.Compression.Deflate, timeout=SECONDS))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "gzip" in error.details()


# --- On the wire ------------------------------------------------------------------------------------------------------


def exchange(server, method, requests, *more):
    """Sends messages as (compressed, message) and returns the response's fields and its messages likewise."""
    wire = greet(server, (h2.INITIAL_WINDOW_SIZE, 1 << 24))
    wire.write(h2.window_update(0, 1 << 24))
    wire.write(frame(h2.HEADERS, h2.END_HEADERS, 1,
                     block(*fields(f"/grpc.testing.TestService/{method}"), *more)))
    body = b""
    for compressed, message in requests:
        encoded = gzip.compress(message) if compressed else message
        body += bytes([compressed]) + struct.pack(">I", len(encoded)) + encoded
    for at in range(0, len(body), 16_384):
        wire.write(frame(h2.DATA, 0, 1, body[at:at + 16_384]))
    wire.write(frame(h2.DATA, h2.END_STREAM, 1))
    answer, found = b"", {}
    while True:
        got = until(wire, lambda f: f.stream == 1)
        if got.kind == h2.DATA:
            answer += got.payload
        if got.fields is not None:
            found |= dict(got.fields)
        if got.has(h2.END_STREAM):
            break
    wire.close()
    responses = []
    while answer:
        flag, length = answer[0], struct.unpack(">I", answer[1:5])[0]
        message, answer = answer[5:5 + length], answer[5 + length:]
        responses.append((flag, gzip.decompress(message) if flag else message))
    return found, responses


ACCEPT = ("grpc-accept-encoding", "identity,gzip")
GZIP = ("grpc-encoding", "gzip")


def test_client_compressed_streaming(server, messages):
    requests = [
        (wanted, messages.StreamingInputCallRequest(
            expect_compressed=true(messages, wanted), payload=zeros(messages, size)).SerializeToString())
        for wanted, size in ((True, 27_182), (False, 45_904))]
    found, responses = exchange(server, "StreamingInputCall", requests, GZIP)
    assert found["grpc-status"] == "0"
    ((flag, message),) = responses
    assert flag == 0, "a client that does not say that it takes gzip gets none"
    assert messages.StreamingInputCallResponse.FromString(message).aggregated_payload_size == 73_086


@pytest.mark.parametrize("wanted", [True, False])
def test_the_flag_of_server_compressed_unary(server, messages, wanted):
    request = unary(messages, response_compressed=true(messages, wanted)).SerializeToString()
    found, responses = exchange(server, "UnaryCall", [(False, request)], ACCEPT)
    assert found["grpc-status"] == "0"
    ((flag, message),) = responses
    assert flag == wanted
    assert found.get("grpc-encoding", "identity") == ("gzip" if wanted else "identity")
    check_large(messages.SimpleResponse.FromString(message))


def test_the_flags_of_server_compressed_streaming(server, messages):
    request = messages.StreamingOutputCallRequest(response_parameters=[
        messages.ResponseParameters(size=31_415, compressed=true(messages)),
        messages.ResponseParameters(size=92_653, compressed=true(messages, False))]).SerializeToString()
    found, responses = exchange(server, "StreamingOutputCall", [(False, request)], ACCEPT)
    assert (found["grpc-status"], found["grpc-encoding"]) == ("0", "gzip")
    assert [flag for flag, _ in responses] == [1, 0]
    sizes = [len(messages.StreamingOutputCallResponse.FromString(m).payload.body) for _, m in responses]
    assert sizes == [31_415, 92_653]


def test_a_compressed_message_without_an_encoding_is_internal(server, messages):
    found, responses = exchange(server, "UnaryCall", [(True, unary(messages).SerializeToString())])
    assert (found["grpc-status"], responses) == ("13", [])


def test_an_unknown_encoding_is_answered_with_those_that_are_taken(server, messages):
    found, responses = exchange(
        server, "UnaryCall", [(False, unary(messages).SerializeToString())], ("grpc-encoding", "snappy"))
    assert (found["grpc-status"], responses) == ("12", [])
    assert "gzip" in found["grpc-accept-encoding"].replace(" ", "").split(",")


def test_a_client_that_takes_no_gzip_gets_none(server, messages):
    request = unary(messages, response_compressed=true(messages)).SerializeToString()
    _, responses = exchange(server, "UnaryCall", [(False, request)])
    assert [flag for flag, _ in responses] == [0]
