"""The real server under a foreign client: trellisd as built for release, grpcio with code made from proto/.

Nothing of Trellis is imported here: what these tests know, they know from proto/ and from the wire.
"""
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import types
import uuid

import grpc
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
TRELLISD = pathlib.Path(os.environ.get("TRELLISD", ROOT / ".build/release/trellisd"))
POSTGRES = os.environ.get("TRELLIS_TEST_POSTGRES", "18")


@pytest.fixture(scope="session")
def api():
    """The modules that grpcio-tools makes from proto/: api.tenancy, api.tenancy_grpc, and so on."""
    from grpc_tools import protoc

    out = tempfile.mkdtemp(prefix="trellis-python-api-")
    include = os.path.join(os.path.dirname(protoc.__file__), "_proto")
    own = [p for p in sorted((ROOT / "proto").rglob("*.proto")) if "google/protobuf" not in str(p)]
    status = protoc.main(
        ["protoc", f"-I{ROOT / 'proto'}", f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}", *map(str, own)])
    assert status == 0, "protoc refuses proto/"
    # The generated packages must not shadow the installed `grpc` and `google`, so those folders join them instead.
    sys.path.insert(0, out)
    importlib.invalidate_caches()
    import google
    import google.protobuf

    google.__path__ = [os.path.join(out, "google"), *google.__path__]
    modules = types.SimpleNamespace(out=out)
    for path in own:
        relative = path.relative_to(ROOT / "proto").with_suffix("")
        if relative.parts[0] != "trellis":
            continue
        name = relative.parts[-1]
        setattr(modules, name, importlib.import_module(".".join(relative.parts) + "_pb2"))
        setattr(modules, name + "_grpc", importlib.import_module(".".join(relative.parts) + "_pb2_grpc"))
    modules.details = importlib.import_module("google.rpc.error_details_pb2")
    modules.status = importlib.import_module("google.rpc.status_pb2")
    return modules


class Server:
    """A trellisd on a home of its own, with its private PostgreSQL."""

    def __init__(self, home, *flags):
        self.home = pathlib.Path(home)
        self.flags = flags
        self.process = None

    def start(self, listen="127.0.0.1:0"):
        self.log = open(self.home / "trellisd.log", "ab")
        self.process = subprocess.Popen(
            [TRELLISD, "serve", "--home", self.home, "--listen", listen, "--admin", "127.0.0.1:0", *self.flags],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        self.ready = line
        words = line.split()
        assert words[:2] == ["trellisd", "ready"], f"no ready line but {line!r}; log: {self.tail()}"
        self.address, self.admin = (word.split("=", 1)[1] for word in words[2:4])
        self.platform_key = json.loads((self.home / "credentials.json").read_text())["platform_key"]
        return self

    def tail(self):
        return (self.home / "trellisd.log").read_text(errors="replace")[-4000:]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        self.log.close()
        return code

    def channel(self):
        return grpc.insecure_channel(self.address)

    def postmaster(self):
        """The lines of postmaster.pid: pid, data folder, start time, port, socket folder."""
        (found,) = self.home.rglob("postmaster.pid")
        return found.read_text().splitlines()

    def query(self, sql):
        """Rows of `sql`, run by the cluster's superuser behind the server's back."""
        import psycopg

        lines = self.postmaster()
        with psycopg.connect(host=lines[4], port=int(lines[3]), dbname="trellis", user="trellis_admin") as connection:
            return connection.execute(sql).fetchall()


def new_home():
    home = pathlib.Path(tempfile.mkdtemp(prefix="trellis-wire-", dir="/tmp"))
    # The private cluster runs as an unprivileged user, which must get through to its folder.
    home.chmod(0o755)
    return home


@pytest.fixture(scope="session")
def server():
    """One server for all tests that do not stop it."""
    import shutil

    home = new_home()
    running = Server(home).start()
    yield running
    assert running.stop() == 0, running.tail()
    shutil.rmtree(home)


class Tenant:
    """A tenant with an administrator's key and stubs that send it."""

    def __init__(self, api, server, name):
        self.api, self.server, self.name = api, server, name
        self.channel = server.channel()
        platform = (("authorization", f"Bearer {server.platform_key}"),)
        tenancy = api.tenancy_grpc.TenancyServiceStub(self.channel)
        slug = f"{name}-{uuid.uuid4().hex[:12]}"
        self.tenant = tenancy.CreateTenant(
            # On the plan whose rates no test reaches.
            api.tenancy.CreateTenantRequest(slug=slug, display_name=name, plan="enterprise"), metadata=platform)
        key = tenancy.IssueTenantKey(
            api.tenancy.IssueTenantKeyRequest(tenant_id=self.tenant.id, display_name="tests"), metadata=platform)
        self.key = key.secret
        self.metadata = (("authorization", f"Bearer {self.key}"),)

    def stub(self, name):
        """A stub of a service, such as tenant.stub("tenancy"), whose calls carry the tenant's key."""
        module = getattr(self.api, name + "_grpc")
        (service,) = [getattr(module, n) for n in dir(module) if n.endswith("Stub")]
        return WithMetadata(service(self.channel), self.metadata)


class WithMetadata:
    def __init__(self, stub, metadata):
        self.stub, self.metadata = stub, metadata

    def __getattr__(self, name):
        method = getattr(self.stub, name)
        return lambda request, **keywords: method(request, metadata=self.metadata, **keywords)


@pytest.fixture
def tenant(api, server):
    return Tenant(api, server, "alpha")


def error_details(api, error):
    """The details of a failed call by type name: {"ErrorInfo": message, ...}."""
    trailers = dict(error.trailing_metadata())
    assert "grpc-status-details-bin" in trailers, f"no details with {error.code()}: {error.details()}"
    status = api.status.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    found = {}
    for any_message in status.details:
        name = any_message.type_url.rsplit(".", 1)[1]
        message = getattr(api.details, name)()
        assert any_message.Unpack(message), any_message.type_url
        found[name] = message
    return found


def eventually(check, seconds=30, every=0.1):
    """Waits until check() returns something true; the last error otherwise."""
    end = time.time() + seconds
    while True:
        try:
            value = check()
            if value:
                return value
            problem = AssertionError("the condition did not come true")
        except (grpc.RpcError, AssertionError, OSError) as error:
            problem = error
        if time.time() > end:
            raise problem
        time.sleep(every)
