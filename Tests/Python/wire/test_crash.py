"""kill -9 of PostgreSQL and of the server under load: nothing acknowledged is lost, and service comes back by itself."""
import concurrent.futures
import os
import shutil
import signal
import threading
import time

import grpc
import pytest
from conftest import Server, Tenant, eventually, new_home


class Load:
    """Writers that create sites and remember every one that was acknowledged."""

    def __init__(self, api, server, tenant, writers=8):
        self.api, self.server, self.tenant = api, server, tenant
        self.acknowledged, self.failures, self.unexpected = set(), 0, []
        self.running = True
        self.threads = [threading.Thread(target=self.write, args=(i,)) for i in range(writers)]
        for thread in self.threads:
            thread.start()

    def write(self, writer):
        number = 0
        with self.server.channel() as channel:
            stub = self.api.tenancy_grpc.TenancyServiceStub(channel)
            while self.running:
                number += 1
                name = f"site {writer} {number}"
                try:
                    stub.CreateSite(
                        self.api.tenancy.CreateSiteRequest(display_name=name), metadata=self.tenant.metadata, timeout=10)
                    self.acknowledged.add(name)
                except grpc.RpcError as error:
                    self.failures += 1
                    if error.code() not in (
                            grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED,
                            grpc.StatusCode.CANCELLED):
                        self.unexpected.append((error.code(), error.details()))
                    time.sleep(0.02)

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()


@pytest.fixture
def fresh():
    home = new_home()
    server = Server(home).start()
    yield server
    if server.process.poll() is None:
        server.stop()
    shutil.rmtree(home)


def stored(server, tenant):
    rows = server.query(f"SELECT display_name FROM trellis.site WHERE tenant_id = '{tenant.tenant.id}'")
    return [name for (name,) in rows]


def can_write(api, tenant, name):
    tenant.stub("tenancy").CreateSite(api.tenancy.CreateSiteRequest(display_name=name), timeout=5)
    return True


def test_postgresql_is_killed_under_load(api, fresh):
    tenant = Tenant(api, fresh, "alpha")
    load = Load(api, fresh, tenant)
    for _ in range(2):
        eventually(lambda: len(load.acknowledged) > 50)
        before = len(load.acknowledged)
        os.kill(int(fresh.postmaster()[0]), signal.SIGKILL)
        # It serves again without anybody's help.
        eventually(lambda: len(load.acknowledged) > before + 50, seconds=60)
    load.stop()
    assert not load.unexpected, load.unexpected[:5]
    assert load.failures > 0
    names = stored(fresh, tenant)
    assert load.acknowledged <= set(names), f"lost: {sorted(load.acknowledged - set(names))[:5]}"
    assert len(names) == len(set(names))


def test_one_backend_is_killed_under_load(api, fresh):
    tenant = Tenant(api, fresh, "alpha")
    load = Load(api, fresh, tenant)
    eventually(lambda: len(load.acknowledged) > 50)
    for _ in range(3):
        before = len(load.acknowledged)
        fresh.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
        eventually(lambda: len(load.acknowledged) > before + 50)
    load.stop()
    assert not load.unexpected, load.unexpected[:5]
    assert load.acknowledged <= set(stored(fresh, tenant))


def test_the_server_is_killed_under_load(api, fresh):
    tenant = Tenant(api, fresh, "alpha")
    address = fresh.address
    for _ in range(2):
        load = Load(api, fresh, tenant)
        eventually(lambda: len(load.acknowledged) > 50)
        fresh.process.kill()
        fresh.process.wait()
        load.stop()
        # The same home, the same port, PostgreSQL possibly still running without its server.
        fresh.start(listen=address)
        assert fresh.address == address
        eventually(lambda: can_write(api, tenant, f"after {load}"))
        assert load.acknowledged <= set(stored(fresh, tenant))


MUTATIONS = 1_000


def test_mutations_with_retries_and_kill_9_in_between_have_one_effect_each(api, fresh):
    """Keys, because nothing but the request_id keeps two of one name apart."""
    tenant, address = Tenant(api, fresh, "alpha"), fresh.address
    answers, tries, over = {}, [0], threading.Event()

    def mutate(number, stub):
        request = api.tenancy.CreateApiKeyRequest(
            display_name=f"key {number}", permissions=["tenancy.sites.read"], request_id=f"mutation-{number}")
        while not over.is_set():
            tries[0] += 1
            try:
                answers[number] = stub.CreateApiKey(request, metadata=tenant.metadata, timeout=10)
                return
            except grpc.RpcError as error:
                assert error.code() in (
                    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED,
                    grpc.StatusCode.CANCELLED), f"{error.code()} {error.details()}"
                time.sleep(0.02)

    with fresh.channel() as channel, concurrent.futures.ThreadPoolExecutor(64) as pool:
        stub = api.tenancy_grpc.TenancyServiceStub(channel)
        work = [pool.submit(mutate, number, stub) for number in range(MUTATIONS)]
        try:
            for share in (1, 2, 3):
                eventually(lambda: len(answers) > MUTATIONS * share // 5, seconds=60)
                if share == 2:
                    os.kill(int(fresh.postmaster()[0]), signal.SIGKILL)
                else:
                    fresh.process.kill()
                    fresh.process.wait()
                    fresh.start(listen=address)
            for done in work:
                done.result(120)
        finally:
            # Nobody waits for calls that a server would have to answer which does not start.
            over.set()
    assert tries[0] > MUTATIONS, "nothing was interrupted"
    rows = fresh.query(
        f"SELECT display_name, api_key_id::text FROM trellis.api_key WHERE tenant_id = '{tenant.tenant.id}'"
        " AND display_name LIKE 'key %'")
    assert len(rows) == MUTATIONS
    assert dict(rows) == {f"key {number}": answer.id for number, answer in answers.items()}
    ((events,),) = fresh.query(
        f"SELECT count(*) FROM trellis.audit_event WHERE tenant_id = '{tenant.tenant.id}' AND method LIKE '%/CreateApiKey'")
    assert events == MUTATIONS
    # And the chain of the trail leads through all of them.
    *_, last = tenant.stub("audit").VerifyAuditChain(api.audit.VerifyAuditChainRequest())
    assert last.verdict.intact and last.verdict.head_sequence >= MUTATIONS, last.verdict
    # The secret of a retry's answer is the one that works.
    with fresh.channel() as channel:
        stub = api.tenancy_grpc.TenancyServiceStub(channel)
        for answer in (answers[0], answers[MUTATIONS - 1]):
            who = stub.WhoAmI(api.tenancy.WhoAmIRequest(), metadata=(("authorization", f"Bearer {answer.secret}"),))
            assert who.api_key.id == answer.id


def test_sigterm_lets_calls_finish(api, fresh):
    tenant = Tenant(api, fresh, "alpha")
    load = Load(api, fresh, tenant)
    eventually(lambda: len(load.acknowledged) > 50)
    assert fresh.stop(signal.SIGTERM) == 0, fresh.tail()
    load.stop()
    fresh.start()
    assert load.acknowledged <= set(stored(fresh, tenant))
    assert not [u for u in load.unexpected if u[0] == grpc.StatusCode.INTERNAL], load.unexpected[:5]
