"""Whether many tenants slow one down: point reads of one tenant on a server with 10 tenants beside one with 10,000, the same
rows a tenant.

Two servers with a private PostgreSQL each, on cores 0 and 1; the loads take turns.
"""
import os
import shutil
import statistics
import struct
import subprocess
import tempfile

import h2load
import points

FEW, MANY = 10, 10_000
#: Sites and users of each tenant beside the one that is read.
ROWS = 20


def fill(trellis, count):
    """Makes tenants with their rows, behind the server's back: through it, 400,000 rows would take minutes."""
    script = f"""
        INSERT INTO trellis.tenant (tenant_id, slug, display_name, industry)
        SELECT uuidv7(), 'filler-' || n, 'Filler', '' FROM generate_series(1, {count}) AS n;
        INSERT INTO trellis.site (tenant_id, site_id, display_name, display_name_key, description, time_zone)
        SELECT tenant_id, uuidv7(), 'Site ' || n, 'site ' || n, '', 'UTC'
        FROM trellis.tenant, generate_series(1, {ROWS}) AS n WHERE slug LIKE 'filler-%';
        INSERT INTO trellis.tenant_user (tenant_id, user_id, personal, language, time_zone)
        SELECT tenant_id, uuidv7(), sha256(n::text::bytea), 'en', 'UTC'
        FROM trellis.tenant, generate_series(1, {ROWS}) AS n WHERE slug LIKE 'filler-%';
        VACUUM ANALYZE trellis.tenant, trellis.site, trellis.tenant_user;
    """
    folder, port = trellis.socket()
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(";\n".join(" ".join(part.split()) for part in script.split(";")))
        file.flush()
        result = subprocess.run(
            [points.pgbench_program(), "-n", "-t", "1", "-f", file.name, "-h", folder, "-p", port, "-U", "trellis_admin", "trellis"],
            capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"the tenants cannot be made: {result.stderr}")


def reads(trellis, count, body):
    return h2load.Run(
        trellis.process.pid, f"http://{trellis.address}/trellis.tenancy.v1.TenancyService/GetSite", body, count, 8, 32,
        cores="0,1", headers=[f"authorization: Bearer {trellis.key}"])


def run(rounds, seconds):
    """Prints the table and returns the rate with few tenants over that with many."""
    homes, servers, bodies, rates = {}, {}, {}, {FEW: [], MANY: []}
    try:
        for count in rates:
            homes[count] = tempfile.mkdtemp(prefix="trellis-bench-", dir="/tmp")
            os.chmod(homes[count], 0o755)
            servers[count] = points.Trellis(homes[count])
            servers[count].populate()
            fill(servers[count], count - 1)
            message = b"\x0a" + bytes([len(servers[count].site)]) + servers[count].site.encode()
            bodies[count] = os.path.join(homes[count], "body.bin")
            with open(bodies[count], "wb") as body:
                body.write(b"\0" + struct.pack(">I", len(message)) + message)
        calls = int(reads(servers[FEW], 20_480, bodies[FEW]).per_second * seconds) // 256 * 256
        reads(servers[MANY], 20_480, bodies[MANY])
        # Each side begins every other round.
        for index in range(rounds * 2):
            for count in sorted(rates, reverse=index % 2 == 1):
                rates[count].append(reads(servers[count], calls, bodies[count]).per_second)
    finally:
        for server in servers.values():
            server.stop()
        for home in homes.values():
            shutil.rmtree(home, ignore_errors=True)
    medians = {count: statistics.median(found) for count, found in rates.items()}
    print(f"\nPoint reads of one tenant, {ROWS} sites and {ROWS} users a tenant, medians")
    for count, median in medians.items():
        print(f"  {f'{count:,} tenants':<42}{median:>10,.0f} RPC/s")
    return medians[FEW] / medians[MANY]
