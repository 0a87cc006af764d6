"""TLS as foreign clients meet it: grpcio's secure channels, Python's ssl and the openssl program."""
import json
import signal
import socket
import ssl
import subprocess
import shutil
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2 as health
from grpc_health.v1 import health_pb2_grpc as health_grpc

from conftest import TRELLISD, Server, eventually, new_home


class Certificates:
    """A CA and what it issues, made by the openssl program in a folder."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("ca", "other"):
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                         "-subj", f"/CN=test {name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                         "-addext", "keyUsage=critical,keyCertSign")

    def openssl(self, *words):
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def make(self, name, alternatives, issuer="ca", days=1):
        (self.folder / f"{name}.ext").write_text(
            f"subjectAltName={alternatives}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key",
                     "-CAcreateserial", "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    def path(self, name):
        return str(self.folder / name)

    def read(self, name):
        return (self.folder / name).read_bytes()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("tls"))
    made.make("server", "DNS:localhost,IP:127.0.0.1")
    made.make("client", "DNS:client.test")
    made.make("stranger", "DNS:client.test", issuer="other")
    return made


def serve(certificates, *flags):
    return Server(new_home(), "--tls-cert", certificates.path("server.pem"),
                  "--tls-key", certificates.path("server.key"), *flags).start()


def end(server):
    assert server.stop() == 0, server.tail()
    shutil.rmtree(server.home)


@pytest.fixture(scope="module")
def secure(certificates):
    running = serve(certificates)
    yield running
    end(running)


@pytest.fixture(scope="module")
def mutual(certificates):
    running = serve(certificates, "--tls-client-ca", certificates.path("ca.pem"))
    yield running
    end(running)


def who_am_i(api, server, credentials, timeout=10):
    """A call with the platform's key, by a name that the certificate has."""
    address = f"localhost:{server.address.rsplit(':', 1)[1]}"
    with grpc.secure_channel(address, credentials) as channel:
        return api.tenancy_grpc.TenancyServiceStub(channel).WhoAmI(
            api.tenancy.WhoAmIRequest(), timeout=timeout,
            metadata=(("authorization", f"Bearer {server.platform_key}"),))


def refused(api, server, credentials):
    with pytest.raises(grpc.RpcError) as caught:
        who_am_i(api, server, credentials, timeout=3)
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return caught.value.details()


def metrics(server):
    with urllib.request.urlopen(f"http://{server.admin}/metrics") as answer:
        return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#")


def test_grpcio_calls_over_tls(api, secure, certificates):
    assert "tls=on" in secure.ready
    answer = who_am_i(api, secure, grpc.ssl_channel_credentials(certificates.read("ca.pem")))
    assert answer.kind == api.tenancy.PRINCIPAL_KIND_PLATFORM


def test_grpcio_refuses_an_unknown_ca_and_the_server_counts_it(api, secure, certificates):
    name = "trellis_tls_handshakes_failed_total"
    before = int(metrics(secure)[name])
    refused(api, secure, grpc.ssl_channel_credentials(certificates.read("other.pem")))
    # grpcio closes without an alert.
    eventually(lambda: int(metrics(secure)[name]) > before)
    assert "TLS handshake failed" in secure.tail()


def test_a_plaintext_client_is_told_to_use_tls(api, secure):
    with grpc.insecure_channel(secure.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            api.tenancy_grpc.TenancyServiceStub(channel).WhoAmI(api.tenancy.WhoAmIRequest(), timeout=5)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    eventually(lambda: "what the client sent is no TLS" in secure.tail())


def test_mutual_tls_takes_its_clients_and_no_others(api, mutual, certificates):
    root = certificates.read("ca.pem")

    def with_certificate(name):
        return grpc.ssl_channel_credentials(root, certificates.read(f"{name}.key"), certificates.read(f"{name}.pem"))

    assert who_am_i(api, mutual, with_certificate("client")).kind == api.tenancy.PRINCIPAL_KIND_PLATFORM
    refused(api, mutual, grpc.ssl_channel_credentials(root))
    refused(api, mutual, with_certificate("stranger"))
    eventually(lambda: "the client sent no certificate, and one is required" in mutual.tail())
    eventually(lambda: "the client's certificate is from an unknown CA" in mutual.tail())


def connect(server, context, session=None):
    port = int(server.address.rsplit(":", 1)[1])
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(plain, server_hostname="localhost", session=session)


def context(certificates, version=ssl.TLSVersion.TLSv1_3, protocols=("h2",)):
    made = ssl.create_default_context(cafile=certificates.path("ca.pem"))
    made.minimum_version = made.maximum_version = version
    if protocols:
        made.set_alpn_protocols(protocols)
    return made


def test_a_session_is_taken_up_again(secure, certificates):
    before = metrics(secure)
    ours = context(certificates)
    with connect(secure, ours) as first:
        # The ticket comes after the handshake, with the server's settings.
        first.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        assert first.recv(1024)
        assert not first.session_reused and first.selected_alpn_protocol() == "h2"
        session = first.session
    with connect(secure, ours, session) as second:
        assert second.session_reused
    name = 'trellis_tls_handshakes_total{kind="resumed"}'
    eventually(lambda: int(metrics(secure)[name]) == int(before[name]) + 1)


def test_old_versions_and_other_protocols_are_refused(secure, certificates):
    with pytest.raises(ssl.SSLError) as caught:
        connect(secure, context(certificates, ssl.TLSVersion.TLSv1_2))
    assert "PROTOCOL_VERSION" in caught.value.reason
    for protocols in ((), ("http/1.1",)):
        with pytest.raises(ssl.SSLError) as caught:
            connect(secure, context(certificates, protocols=protocols))
        assert "alert number 120" in str(caught.value) or "no application protocol" in str(caught.value).lower()


def test_a_certificate_is_replaced_under_open_calls(api, certificates):
    certificates.make("rolling", "DNS:localhost")
    names = [certificates.folder / "rolling.pem", certificates.folder / "rolling.key"]
    server = Server(new_home(), "--tls-cert", names[0], "--tls-key", names[1]).start()
    try:
        address = f"localhost:{server.address.rsplit(':', 1)[1]}"

        def subject():
            with connect(server, context(certificates)) as peer:
                return peer.getpeercert()["subject"][0][0][1]

        credentials = grpc.ssl_channel_credentials(certificates.read("ca.pem"))
        with grpc.secure_channel(address, credentials) as channel:
            stub = health_grpc.HealthStub(channel)
            watch = stub.Watch(health.HealthCheckRequest())
            assert next(watch).status == health.HealthCheckResponse.SERVING
            assert subject() == "rolling"
            # A key that does not belong to the certificate: the old pair stays, and the log says why.
            certificates.make("next", "DNS:localhost")
            shutil.copy(certificates.path("next.pem"), names[0])
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda: "is not the key of the first certificate" in server.tail())
            assert subject() == "rolling"
            shutil.copy(certificates.path("next.key"), names[1])
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda: subject() == "next")
            # The stream that was open is open, and its connection takes calls.
            assert watch.is_active()
            assert stub.Check(health.HealthCheckRequest(), timeout=5).status == health.HealthCheckResponse.SERVING
            watch.cancel()
        found = metrics(server)
        assert found['trellis_tls_reloads_total{outcome="taken"}'] == "1"
        assert found['trellis_tls_reloads_total{outcome="unusable"}'] == "1"
        assert float(found["trellis_tls_certificate_expiry_seconds"]) > 1.7e9
    finally:
        end(server)


def test_a_flood_of_key_updates_ends_the_connection(secure, certificates):
    address = secure.address
    client = subprocess.Popen(
        ["openssl", "s_client", "-connect", address, "-alpn", "h2", "-CAfile", certificates.path("ca.pem")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
    said = []
    for line in client.stdout:
        said.append(line)
        if "Verify return code" in line or "KEYUPDATE" in line:
            try:
                client.stdin.write("K\n")
                client.stdin.flush()
            except BrokenPipeError:
                break
    # It ends because the server ends the connection: its input is open still.
    client.wait(10)
    updates = sum("KEYUPDATE" in line for line in said)
    assert 10 < updates < 200, "".join(said)[-2000:]


def test_trellis_load_drives_load_over_mutual_tls(mutual, certificates, tmp_path):
    file = tmp_path / "result.json"
    words = [TRELLISD.with_name("trellis-load"), "run", mutual.address, "grpc.health.v1.Health/Check", "{}", "--count", "200",
             "--json", str(file), "--quiet", "--ca", certificates.path("ca.pem")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "certificate" in done.stderr, done.stderr
    words += ["--cert", certificates.path("client.pem"), "--key", certificates.path("client.key")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    call, = json.loads(file.read_text())["calls"]
    assert call["calls"] == 200 and call["failed"] == 0
