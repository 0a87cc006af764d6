"""Tenant-scoped point reads: RPC/s of GetSite beside what pgbench gets from the same PostgreSQL with the same two
statements (the tenant's setting, the row under row-level security) in a pipeline with prepared statements.

Server, PostgreSQL and load share cores 0 and 1; the two loads take turns.
"""
import json
import os
import pathlib
import re
import statistics
import struct
import subprocess
import tempfile

import h2load
import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Trellis:
    """A running trellisd with one tenant and its sites."""

    def __init__(self, home, loops=None, cores=None):
        self.home = home
        release = ROOT / ".build/release"
        flags = ["--loops", str(loops)] if loops else []
        pinned = ["taskset", "-c", cores] if cores else []
        self.process = subprocess.Popen(
            [*pinned, release / "trellisd", "serve", "--home", home, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *flags],
            stdout=subprocess.PIPE, stderr=open(os.path.join(home, "trellisd.log"), "ab"), text=True)
        words = self.process.stdout.readline().split()
        if words[:2] != ["trellisd", "ready"]:
            raise SystemExit(f"trellisd did not start; see {home}/trellisd.log")
        self.address = words[2].split("=", 1)[1]
        self.cli = release / "trellis"

    def call(self, method, request, token=None):
        """Calls an RPC through the CLI and returns the answer."""
        command = [self.cli, "--home", self.home, *(["--token", token] if token else []), "call", method,
                   json.dumps(request)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"{method}: {result.stderr}")
        return json.loads(result.stdout)

    def populate(self):
        service = "trellis.tenancy.v1.TenancyService"
        self.tenant = self.call(f"{service}/CreateTenant", {"slug": "bench", "displayName": "Bench", "plan": "enterprise"})["id"]
        # As many as there can be: what is measured is the server, with everything that a call passes through.
        self.call("trellis.tenancy.v1.PlanService/SetPlanRates", {"plan": "enterprise", "rates": [{
            "rateClass": "RATE_CLASS_READ", "tenantPerSecond": 1000000, "tenantBurst": 1000000,
            "credentialPerSecond": 1000000, "credentialBurst": 1000000}]})
        self.key = self.call(
            f"{service}/IssueTenantKey", {"tenantId": self.tenant, "displayName": "bench"})["secret"]
        for index in range(20):
            self.site = self.call(f"{service}/CreateSite", {"displayName": f"Site {index}"}, self.key)["id"]

    def socket(self):
        """(folder, port) of the private cluster's socket."""
        (found,) = pathlib.Path(self.home).rglob("postmaster.pid")
        lines = found.read_text().splitlines()
        return lines[4], lines[3]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def point_read():
    """The SQL of SiteGet as the server runs it, its parameters as pgbench writes them."""
    text = (ROOT / "Sources/Core/Tenancy/SQL/site.sql").read_text()
    query = re.search(r"-- name: SiteGet :one Site\n(.*?);", text, re.S)[1]
    query = " ".join(line for line in query.splitlines() if not line.strip().startswith("--"))
    return re.sub(r"@(\w+)(::\w+)?", r":\1", query)


def pgbench_program():
    for folder in ("/opt/trellis/postgres/18/bin", os.path.expanduser("~/.local/lib/trellis/postgres/18/bin")):
        if os.path.exists(os.path.join(folder, "pgbench")):
            return os.path.join(folder, "pgbench")
    raise SystemExit("pgbench is missing: run scripts/setup")


def pgbench(trellis, script, seconds, clients):
    folder, port = trellis.socket()
    result = subprocess.run(
        ["taskset", "-c", "0,1", pgbench_program(), "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T",
         str(max(1, round(seconds))), "-f", script, "-D", f"tenant_id={trellis.tenant}", "-D", f"site_id={trellis.site}",
         "-h", folder, "-p", port, "-U", "trellis_server", "trellis"],
        capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"pgbench failed: {result.stderr}")
    return float(re.search(r"tps = ([\d.]+)", result.stdout)[1])


def run(trellis, rounds, seconds):
    """Prints the table and returns RPC/s over pgbench's transactions/s."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script, tempfile.NamedTemporaryFile(suffix=".bin") as body:
        script.write(
            "\\startpipeline\n"
            "SELECT WHERE (set_config('trellis.tenant', :tenant_id, true)) IS NULL;\n"
            f"{point_read()};\n\\endpipeline\n")
        script.flush()
        message = b"\x0a" + bytes([len(trellis.site)]) + trellis.site.encode()
        body.write(b"\0" + struct.pack(">I", len(message)) + message)
        body.flush()

        def rpc(count):
            return h2load.Run(
                trellis.process.pid, f"http://{trellis.address}/trellis.tenancy.v1.TenancyService/GetSite", body.name,
                count, 8, 32, cores="0,1", headers=[f"authorization: Bearer {trellis.key}"])

        count = int(rpc(20_000).per_second * seconds) // 256 * 256
        ours, theirs = [], {8: [], 16: []}
        for index in range(rounds):
            ours.append(rpc(count))
            for clients in theirs:
                theirs[clients].append(pgbench(trellis, script.name, seconds, clients))
            print(f"  point reads: round {index + 1} of {rounds}", flush=True)
    rate = statistics.median(r.per_second for r in ours)
    best = max(statistics.median(rates) for rates in theirs.values())
    print("\nTenant-scoped point read under row-level security, all on cores 0 and 1, medians")
    print(f"  {'GetSite by Trellis':<42}{rate:>10,.0f} RPC/s   {statistics.median(r.cpu_us for r in ours):.2f} CPU us of trellisd each")
    for clients, rates in theirs.items():
        print(f"  {f'pgbench -M prepared, pipeline, {clients} clients':<42}{statistics.median(rates):>10,.0f} /s")
    print(f"  {'ratio to the better one':<42}{rate / best:>10.2f}")
    return rate / best
