"""The cases of gRPC's interop test descriptions, by grpcio against our server, with and without TLS.

What grpcio cannot express: a GET request (cacheable_unary marks a call as cacheable, which no released grpcio can do; here
the method is called by POST, and its headers and its changing payload are checked), and the compressed flag of a response
message, which grpcio hides: test_compression.py reads it from the wire.
"""
import concurrent.futures
import threading

import grpc
import pytest
from interop_support import SECONDS, InteropServer

SERVICE = "/grpc.testing.TestService/"
BODY, ANSWER = 271_828, 314_159
UPLOAD = (27_182, 8, 1_828, 45_904)
DOWNLOAD = (31_415, 9, 2_653, 58_979)
INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")


class Stub:
    """The methods of TestService on a channel."""

    def __init__(self, channel, messages):
        m = messages
        self.empty = self._make(channel.unary_unary, "EmptyCall", m.Empty, m.Empty)
        self.unary = self._make(channel.unary_unary, "UnaryCall", m.SimpleRequest, m.SimpleResponse)
        self.cacheable = self._make(channel.unary_unary, "CacheableUnaryCall", m.SimpleRequest, m.SimpleResponse)
        self.unimplemented = self._make(channel.unary_unary, "UnimplementedCall", m.Empty, m.Empty)
        self.input = self._make(
            channel.stream_unary, "StreamingInputCall", m.StreamingInputCallRequest, m.StreamingInputCallResponse)
        output = (m.StreamingOutputCallRequest, m.StreamingOutputCallResponse)
        self.output = self._make(channel.unary_stream, "StreamingOutputCall", *output)
        self.full_duplex = self._make(channel.stream_stream, "FullDuplexCall", *output)
        self.half_duplex = self._make(channel.stream_stream, "HalfDuplexCall", *output)

    @staticmethod
    def _make(kind, name, request, response):
        return kind(SERVICE + name, request.SerializeToString, response.FromString)


@pytest.fixture
def stub(channel, messages):
    return Stub(channel, messages)


def zeros(messages, size):
    return messages.Payload(body=bytes(size))


def large(messages):
    return messages.SimpleRequest(response_size=ANSWER, payload=zeros(messages, BODY))


def wanting(messages, size, body):
    return messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=size)], payload=zeros(messages, body))


def check_large(response):
    assert response.payload.body == bytes(ANSWER)


def failed(call):
    with pytest.raises(grpc.RpcError) as failure:
        call()
    return failure.value


class Requests:
    """An iterator of requests that are put in one by one."""

    def __init__(self):
        self.ready, self.items, self.closed = threading.Condition(), [], False

    def put(self, request):
        with self.ready:
            self.items.append(request)
            self.ready.notify()

    def close(self):
        with self.ready:
            self.closed = True
            self.ready.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.ready:
            self.ready.wait_for(lambda: self.items or self.closed)
            if self.items:
                return self.items.pop(0)
            raise StopIteration


def test_empty_unary(stub, messages):
    assert stub.empty(messages.Empty(), timeout=SECONDS) == messages.Empty()


def test_large_unary(stub, messages):
    check_large(stub.unary(large(messages), timeout=SECONDS))


def test_cacheable_unary(stub, messages):
    request = messages.SimpleRequest(payload=messages.Payload(body=b"1234567890"))
    answers = []
    for _ in range(2):
        answer, call = stub.cacheable.with_call(request, metadata=[("x-user-ip", "1.2.3.4")], timeout=SECONDS)
        assert dict(call.initial_metadata())["cache-control"] == "max-age=60, public"
        answers.append(int(answer.payload.body))
    assert answers[0] < answers[1], "without a cache between, each answer is made anew"


def test_client_streaming(stub, messages):
    requests = [messages.StreamingInputCallRequest(payload=zeros(messages, size)) for size in UPLOAD]
    assert stub.input(iter(requests), timeout=SECONDS).aggregated_payload_size == 74_922


def test_server_streaming(stub, messages):
    request = messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=size) for size in DOWNLOAD])
    assert [r.payload.body for r in stub.output(request, timeout=SECONDS)] == [bytes(size) for size in DOWNLOAD]


def test_ping_pong(stub, messages):
    requests = Requests()
    call = stub.full_duplex(requests, timeout=SECONDS)
    for size, body in zip(DOWNLOAD, UPLOAD):
        requests.put(wanting(messages, size, body))
        assert next(call).payload.body == bytes(size)
    requests.close()
    assert list(call) == []
    assert call.code() == grpc.StatusCode.OK


def test_half_duplex(stub, messages):
    requests = [wanting(messages, size, body) for size, body in zip(DOWNLOAD, UPLOAD)]
    answers = stub.half_duplex(iter(requests), timeout=SECONDS)
    assert [len(r.payload.body) for r in answers] == list(DOWNLOAD)


def test_empty_stream(stub):
    call = stub.full_duplex(iter(()), timeout=SECONDS)
    assert list(call) == []
    assert call.code() == grpc.StatusCode.OK


def test_custom_metadata(stub, messages):
    _, call = stub.unary.with_call(large(messages), metadata=[INITIAL, TRAILING], timeout=SECONDS)
    stream = stub.full_duplex(
        iter([wanting(messages, ANSWER, BODY)]), metadata=[INITIAL, TRAILING], timeout=SECONDS)
    assert [r.payload.body for r in stream] == [bytes(ANSWER)]
    for each in (call, stream):
        assert INITIAL in [tuple(pair) for pair in each.initial_metadata()]
        assert TRAILING in [tuple(pair) for pair in each.trailing_metadata()]
        assert each.code() == grpc.StatusCode.OK


@pytest.mark.parametrize("message", [
    "test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP \U0001f608\t\n"],
    ids=["status_code_and_message", "special_status_message"])
def test_status(stub, messages, message):
    status = messages.EchoStatus(code=2, message=message)
    unary = failed(lambda: stub.unary(messages.SimpleRequest(response_status=status), timeout=SECONDS))
    request = messages.StreamingOutputCallRequest(response_status=status)
    stream = failed(lambda: list(stub.full_duplex(iter([request]), timeout=SECONDS)))
    for error in (unary, stream):
        assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, message)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code != grpc.StatusCode.OK], ids=lambda c: c.name)
def test_every_status_code_arrives(stub, messages, code):
    status = messages.EchoStatus(code=code.value[0], message=code.name)
    error = failed(lambda: stub.unary(messages.SimpleRequest(response_status=status), timeout=SECONDS))
    assert (error.code(), error.details()) == (code, code.name)


def test_unimplemented_method(stub, messages):
    error = failed(lambda: stub.unimplemented(messages.Empty(), timeout=SECONDS))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_unimplemented_service(channel, messages):
    call = channel.unary_unary(
        "/grpc.testing.UnimplementedService/UnimplementedCall", messages.Empty.SerializeToString,
        messages.Empty.FromString)
    assert failed(lambda: call(messages.Empty(), timeout=SECONDS)).code() == grpc.StatusCode.UNIMPLEMENTED


def test_cancel_after_begin(stub):
    requests = Requests()
    call = stub.input.future(requests, timeout=SECONDS)
    call.cancel()
    assert call.cancelled()
    assert call.code() == grpc.StatusCode.CANCELLED
    requests.close()


def test_cancel_after_first_response(stub, messages):
    requests = Requests()
    call = stub.full_duplex(requests, timeout=SECONDS)
    requests.put(wanting(messages, 31_415, 27_182))
    assert len(next(call).payload.body) == 31_415
    call.cancel()
    assert failed(lambda: next(call)).code() == grpc.StatusCode.CANCELLED
    requests.close()


def test_timeout_on_sleeping_server(stub, messages):
    requests = Requests()
    requests.put(messages.StreamingOutputCallRequest(payload=zeros(messages, 27_182)))
    call = stub.full_duplex(requests, timeout=0.001)
    assert failed(lambda: next(call)).code() == grpc.StatusCode.DEADLINE_EXCEEDED
    requests.close()


def test_the_server_itself_says_that_the_deadline_has_passed(stub, messages):
    # The pause is longer than any test may take; only a deadline ends it.
    request = messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=1, interval_us=2_000_000_000)])
    call = stub.output(request, timeout=0.5)
    assert failed(lambda: next(call)).code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_intervals_are_kept(stub, messages):
    request = messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=size, interval_us=1_000) for size in DOWNLOAD])
    assert [len(r.payload.body) for r in stub.output(request, timeout=SECONDS)] == list(DOWNLOAD)


def test_concurrent_large_unary(stub, messages):
    request = large(messages)
    for future in [stub.unary.future(request, timeout=4 * SECONDS) for _ in range(1000)]:
        check_large(future.result())


def test_rpc_soak(stub, messages):
    request = large(messages)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for response in pool.map(lambda _: stub.unary(request, timeout=SECONDS), range(200)):
            check_large(response)


def test_channel_soak(request, channel, messages):
    # A new connection for each call; the fixture `channel` says over which transport.
    secure = "tls" in request.node.callspec.id
    for _ in range(50):
        options = [("grpc.use_local_subchannel_pool", 1)]
        if secure:
            ca = request.getfixturevalue("certificates").ca.read_bytes()
            opened = grpc.secure_channel(
                request.getfixturevalue("tls_server").address, grpc.ssl_channel_credentials(ca), options)
        else:
            opened = grpc.insecure_channel(request.getfixturevalue("server").address, options)
        with opened:
            check_large(Stub(opened, messages).unary(large(messages), timeout=SECONDS))


@pytest.mark.parametrize("request_fields, named", [
    ({"response_size": -1}, "response_size is -1"), ({"response_size": 2_147_483_647}, "response_size is 2147483647"),
    ({"response_type": 7}, "response_type is 7"), ({"response_status": (99, "")}, "response_status.code is 99")],
    ids=["negative", "huge", "no such type", "no such status"])
def test_what_makes_no_sense_is_invalid_argument(stub, messages, request_fields, named):
    if "response_status" in request_fields:
        code, message = request_fields["response_status"]
        request_fields = {"response_status": messages.EchoStatus(code=code, message=message)}
    error = failed(lambda: stub.unary(messages.SimpleRequest(**request_fields), timeout=SECONDS))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert named in error.details()


def test_goaway(messages):
    """A server that stops says GOAWAY: the call that is open ends well, and the server with it."""
    with InteropServer() as own, grpc.insecure_channel(own.address) as channel:
        stub, requests = Stub(channel, messages), Requests()
        call = stub.full_duplex(requests, timeout=SECONDS)
        requests.put(wanting(messages, 31_415, 27_182))
        assert len(next(call).payload.body) == 31_415
        own.process.terminate()
        # New calls find nobody any more; the listener is closed before GOAWAY is sent.
        refused = failed(lambda: [stub.unary(large(messages), timeout=SECONDS) for _ in range(10_000)])
        assert refused.code() == grpc.StatusCode.UNAVAILABLE
        requests.put(wanting(messages, 9, 8))
        assert len(next(call).payload.body) == 9
        requests.close()
        assert list(call) == []
        assert own.process.wait(SECONDS) == 0
