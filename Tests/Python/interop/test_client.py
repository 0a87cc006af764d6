"""The cases of gRPC's interop test descriptions, by our client against grpcio's server and against our own."""
import subprocess

import grpcio_server
import pytest
from interop_support import SECONDS, program

CASES = """empty_unary large_unary server_compressed_unary server_compressed_streaming client_streaming server_streaming ping_pong empty_stream custom_metadata
    status_code_and_message special_status_message unimplemented_method unimplemented_service cancel_after_begin
    cancel_after_first_response timeout_on_sleeping_server concurrent_large_unary rpc_soak channel_soak""".split()
# They probe whether the server sees that a message is compressed, which grpcio does not show to its handlers.
PROBING_CASES = ["client_compressed_unary", "client_compressed_streaming"]


def run_case(address, name, certificates=None):
    """Runs a case of interop-client, which must pass."""
    flags = ["--tls-ca", certificates.ca] if certificates else []
    result = subprocess.run(
        [program("interop-client"), "--server", address, "--case", name, *flags],
        capture_output=True, text=True, timeout=4 * SECONDS)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == f"ok {name}\n"


@pytest.fixture(scope="module")
def grpcio():
    """grpcio's server without TLS: its address."""
    server, port = grpcio_server.start("127.0.0.1:0")
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture(scope="module")
def grpcio_tls(certificates):
    server, port = grpcio_server.start(
        "127.0.0.1:0", certificates.cert.read_bytes(), certificates.key.read_bytes())
    yield f"localhost:{port}"
    server.stop(None)


@pytest.mark.parametrize("name", CASES)
def test_against_grpcio(grpcio, name):
    run_case(grpcio, name)


@pytest.mark.parametrize("name", CASES + PROBING_CASES)
def test_against_ours(server, name):
    run_case(server.address, name)


@pytest.mark.parametrize("name", CASES)
def test_against_grpcio_over_tls(grpcio_tls, certificates, name):
    run_case(grpcio_tls, name, certificates)


@pytest.mark.parametrize("name", CASES + PROBING_CASES)
def test_against_ours_over_tls(tls_server, certificates, name):
    run_case(tls_server.address, name, certificates)


def test_a_case_that_fails_is_said_to_fail(server):
    # Against a server that does not end the call as the case demands: a plain server has no GOAWAY or resets to give.
    result = subprocess.run(
        [program("interop-client"), "--server", server.address, "--case", "rst_after_header"],
        capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 1
    assert result.stdout.startswith("FAILED rst_after_header: the call ended well")


def test_an_unknown_case_is_refused(server):
    result = subprocess.run(
        [program("interop-client"), "--server", server.address, "--case", "no_such_case"],
        capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 2
    assert "--case is 'no_such_case'" in result.stderr and "ping_pong" in result.stderr
