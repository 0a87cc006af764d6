"""gzip as grpcio does it: for a whole channel and for one call, counted on the wire."""
import socket
import threading

import grpc
import pytest
from conftest import Tenant

GZIP = grpc.Compression.Gzip


class Counter:
    """Passes bytes on to the server and counts them."""

    def __init__(self, address):
        self.sent = self.received = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        host, port = address.rsplit(":", 1)
        self.target = (host, int(port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            threading.Thread(target=self.carry, args=(caller, server, "sent"), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, caller, "received"), daemon=True).start()

    def carry(self, source, sink, name):
        try:
            while data := source.recv(65536):
                setattr(self, name, getattr(self, name) + len(data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture(scope="module")
def tenant(api, server):
    """A tenant with eighty sites whose names are long and alike."""
    tenant = Tenant(api, server, "gzip")
    stub = tenant.stub("tenancy")
    for index in range(80):
        stub.CreateSite(api.tenancy.CreateSiteRequest(display_name=f"{index} " + "a name that is long " * 4))
    return tenant


def exchange(api, server, tenant, *, channel=None, call=None, name="x"):
    """The answer to a list and to a request of 200 KB, and the bytes of both directions."""
    counter = Counter(server.address)
    with grpc.insecure_channel(counter.address, compression=channel) as connection:
        stub = api.tenancy_grpc.TenancyServiceStub(connection)
        options = {"metadata": [("authorization", f"Bearer {tenant.key}")], "compression": call}
        sites = stub.ListSites(api.tenancy.ListSitesRequest(page_size=100), **options).sites
        with pytest.raises(grpc.RpcError) as refused:
            stub.CreateSite(api.tenancy.CreateSiteRequest(display_name=name * 200_000), **options)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    counter.listener.close()
    return list(sites), counter.sent, counter.received


@pytest.mark.parametrize("how", [{"channel": GZIP}, {"call": GZIP}])
def test_a_caller_that_compresses_sends_and_gets_less(api, server, tenant, how):
    plain = exchange(api, server, tenant)
    small = exchange(api, server, tenant, **how)
    assert len(plain[0]) == 81 and small[0] == plain[0]
    assert plain[1] > 200_000 and small[1] < 10_000
    assert plain[2] > 10_000 and small[2] < plain[2] / 2


def test_an_encoding_that_is_not_taken_is_unimplemented(api, server, tenant):
    with grpc.insecure_channel(server.address, compression=grpc.Compression.Deflate) as connection:
        stub = api.tenancy_grpc.TenancyServiceStub(connection)
        with pytest.raises(grpc.RpcError) as refused:
            stub.CreateSite(
                api.tenancy.CreateSiteRequest(display_name="x" * 10_000),
                metadata=[("authorization", f"Bearer {tenant.key}")])
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "send identity or gzip" in refused.value.details()


def test_a_bomb_is_refused_at_the_limit_of_a_message(api, server, tenant):
    with grpc.insecure_channel(server.address, compression=GZIP) as connection:
        stub = api.tenancy_grpc.TenancyServiceStub(connection)
        with pytest.raises(grpc.RpcError) as refused:
            stub.CreateSite(
                api.tenancy.CreateSiteRequest(display_name="x" * (64 << 20)),
                metadata=[("authorization", f"Bearer {tenant.key}")])
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "4194304 bytes when it is decompressed" in refused.value.details()
