"""gRPC's interoperability tests: our server under a foreign client, and our client against a foreign server.

The programs are those of the debug build, `interop-server` and `interop-client`, which are not shipped.
TRELLIS_INTEROP_BIN names another folder to take them from.
"""
import grpc
import pytest
from interop_support import ROOT, InteropServer, load_messages, make_certificates


@pytest.fixture(scope="session")
def messages():
    """The messages of Tests/Interop/proto."""
    return load_messages()


@pytest.fixture(scope="session")
def server():
    """One interop-server without TLS for all tests that do not stop it."""
    with InteropServer() as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A certificate authority of our own and a certificate for 127.0.0.1 and localhost: paths of ca, cert and key."""
    if not (ROOT / "Sources/TLS").is_dir():
        pytest.skip("the programs have no TLS before Sources/TLS is merged")
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def tls_server(certificates):
    """One interop-server with TLS."""
    with InteropServer(certificates=certificates) as running:
        yield running


@pytest.fixture(params=["plaintext", "tls"])
def channel(request):
    """A grpcio channel to our server, over each transport."""
    if request.param == "plaintext":
        with grpc.insecure_channel(request.getfixturevalue("server").address) as opened:
            yield opened
    else:
        ca = request.getfixturevalue("certificates").ca.read_bytes()
        address = request.getfixturevalue("tls_server").address
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca)) as opened:
            yield opened
