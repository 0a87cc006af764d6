"""Our client against servers that do uncommon things with HTTP/2: doc/http2-interop-test-descriptions.md of grpc/grpc."""
import pytest
from http2_server import HTTP2Server
from test_client import run_case


@pytest.mark.parametrize("server_case, client_case, connections", [
    ("goaway", "goaway", 2), ("goaway_after_answer", "goaway", 2), ("goaway_refusing", "goaway", 2),
    ("rst_after_header", "rst_after_header", 1), ("rst_during_data", "rst_during_data", 1),
    ("rst_after_data", "rst_after_data", 1), ("ping_around", "ping", 1), ("max_streams", "max_streams", 1),
    ("data_frame_padding", "data_frame_padding", 1), ("no_df_padding_sanity_test", "no_df_padding_sanity_test", 1)],
    ids=lambda value: value if isinstance(value, str) else str(value))
def test_client(server_case, client_case, connections):
    with HTTP2Server(server_case) as server:
        run_case(server.address, client_case)
    assert server.faults == []
    assert len(server.connections) == connections
    if server_case == "ping_around":
        assert server.connections[0].sent_pings == 3
