"""Bad input: the right status each, and the server stays up with bounded memory."""
import socket
import struct
import threading

import grpc
import pytest
from conftest import error_details

SITE = "/trellis.tenancy.v1.TenancyService/CreateSite"


def raw(channel, path, payload, metadata, **keywords):
    return channel.unary_unary(path, lambda b: b, lambda b: b)(payload, metadata=metadata, timeout=20, **keywords)


def refused(tenant, payload, code, path=SITE):
    with pytest.raises(grpc.RpcError) as failure:
        raw(tenant.channel, path, payload, tenant.metadata)
    assert failure.value.code() == code, failure.value.details()
    return failure.value


def nested(depth):
    """Field 12 (a message) inside itself, `depth` deep."""
    payload = b""
    for _ in range(depth):
        length, head = len(payload), b""
        while length > 127:
            head += bytes([length & 127 | 128])
            length >>= 7
        payload = b"\x62" + head + bytes([length]) + payload
    return payload


@pytest.mark.parametrize("payload", [
    b"\xff", b"\x0a\xff", b"\x0a\x05ab", b"\x08", b"\x0b", b"\x0c", b"\x07", b"\0\0", b"\x0a" + b"\xff" * 10 + b"\x01"],
    ids=["tag cut", "length cut", "string cut", "varint cut", "group", "end group", "wire type 7", "field 0", "length 2^70"])
def test_malformed_protobuf(tenant, payload):
    refused(tenant, payload, grpc.StatusCode.INVALID_ARGUMENT)


def test_nul_and_broken_utf8_name_the_field(api, tenant):
    for text in (b"a\0b", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"abc\xe2\x82"):
        error = refused(tenant, b"\x0a" + bytes([len(text)]) + text, grpc.StatusCode.INVALID_ARGUMENT)
        assert "display_name" in error.details()


def test_deep_nesting(tenant):
    refused(tenant, nested(10_000), grpc.StatusCode.INVALID_ARGUMENT,
            "/trellis.reference.v1.ReferenceService/ImportRelease")
    refused(tenant, nested(10_000), grpc.StatusCode.INVALID_ARGUMENT,
            "/trellis.tenancy.v1.TenancyService/UpdateSite")


def test_a_message_over_the_limit(tenant):
    refused(tenant, b"\x0a" + b"\x80\x80\x80\x04" + b"x" * (8 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_millions_of_empty_elements(server, tenant):
    before = memory(server)
    # 2 bytes an element on the wire, far more in memory, if nobody counts.
    refused(tenant, b"\x1a\x00" * 1_500_000, grpc.StatusCode.INVALID_ARGUMENT,
            "/trellis.reference.v1.ReferenceService/ImportRelease")
    assert memory(server) - before < 256 << 20


def test_unknown_methods_and_services(tenant):
    for path in ("/trellis.tenancy.v1.TenancyService/Nope", "/no.such.Service/Nope", "/", "/x", "/a/b/c"):
        refused(tenant, b"", grpc.StatusCode.UNIMPLEMENTED, path)


def test_an_expired_deadline(api, tenant):
    # grpcio makes a millisecond of any shorter timeout, in which much is answered: not a password, which is hashed for longer.
    stub = api.credentials_grpc.CredentialServiceStub(tenant.channel)
    with pytest.raises(grpc.RpcError) as failure:
        stub.SignIn(api.credentials.SignInRequest(email="nobody@example.org", password="not a password"), timeout=1e-9)
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")


def literal(name, value):
    """An HPACK literal without indexing, lengths in one or more bytes."""
    def text(data):
        if len(data) < 127:
            return bytes([len(data)]) + data
        out, rest = b"\x7f", len(data) - 127
        while rest > 127:
            out += bytes([rest & 127 | 128])
            rest >>= 7
        return out + bytes([rest]) + data
    return b"\0" + text(name) + text(value)


REQUEST = b"".join(literal(*pair) for pair in (
    (b":method", b"POST"), (b":scheme", b"http"), (b":path", SITE.encode()), (b":authority", b"x"),
    (b"te", b"trailers")))


def talk(server, data, seconds=10):
    """Sends bytes and returns what comes back until the server closes or is silent."""
    host, port = server.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as peer:
        peer.settimeout(seconds)
        sender = threading.Thread(target=lambda: quietly(peer.sendall, data))
        sender.start()
        got = b""
        try:
            while chunk := peer.recv(65536):
                got += chunk
                if seconds < 5 and len(got) > 200:
                    break
        except OSError:
            pass
        sender.join(10)
        return got


def quietly(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        pass


def memory(server):
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024


def alive(api, tenant):
    tenant.stub("tenancy").ListSites(api.tenancy.ListSitesRequest())


def test_a_wrong_content_type_is_http_415(api, server, tenant):
    got = talk(server, PREFACE + frame(1, 5, 1, REQUEST + literal(b"content-type", b"text/plain")), 2)
    assert b"415" in got or b"\x08\x03415" in got, got
    alive(api, tenant)


def test_a_mebibyte_of_headers(api, server, tenant):
    before = memory(server)
    for _ in range(20):
        block = REQUEST + literal(b"content-type", b"application/grpc") + literal(b"x-big", b"x" * (1 << 20))
        data = PREFACE + frame(1, 0, 1, block[:16384])
        for start in range(16384, len(block), 16384):
            part = block[start:start + 16384]
            data += frame(9, 4 if start + 16384 >= len(block) else 0, 1, part)
        talk(server, data, 2)
        alive(api, tenant)
    assert memory(server) - before < 32 << 20


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", PREFACE[:20], PREFACE + b"\xff" * 100,
    PREFACE + frame(0, 1, 1, b"x"), PREFACE + frame(1, 5, 2, REQUEST), PREFACE + frame(8, 0, 0, b"\0\0\0\0"),
    PREFACE + frame(1, 5, 1, b"\xff" * 50), PREFACE + frame(6, 0, 0, b"x" * 8) * 100_000,
    PREFACE + frame(4, 0, 0, b"") * 100_000,
    PREFACE + b"".join(frame(1, 4, i, REQUEST) + frame(3, 0, i, b"\0\0\0\x08") for i in range(1, 40_001, 2)),
], ids=["HTTP/1.1", "TLS", "preface cut", "garbage", "data on idle", "even stream", "window 0", "bad HPACK", "ping flood",
        "settings flood", "rapid reset"])
def test_broken_and_abusive_peers(api, server, tenant, data):
    before = memory(server)
    talk(server, data, 2)
    alive(api, tenant)
    assert memory(server) - before < 64 << 20


def test_a_name_in_a_field_of_a_wrong_type_is_refused(api, tenant):
    # Field 1 as a varint where a string belongs.
    error = refused(tenant, b"\x08\x01", grpc.StatusCode.INVALID_ARGUMENT)
    assert error_details(api, error)["ErrorInfo"].domain == "trellis"
