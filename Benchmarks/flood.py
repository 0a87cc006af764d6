"""What a tenant notices while another one calls far beyond its rate, by trellis-load.

The neighbour, on enterprise, reads at a constant rate; its p99 counts from when each call was to be made. The flooder, on
starter, offers what a multiple of its rate is, from a process of its own with the least priority. Server and PostgreSQL have
core 0, both generators core 1; the p99 without the flood is taken beside a program that only burns as much of core 1.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import attacks
import machine
import points

METHOD = "trellis.tenancy.v1.TenancyService/ListSites"
#: Calls a second of the neighbour, and what starter lets through.
NEIGHBOUR, STARTER = 200, 100
#: By how much the flooder goes beyond its rate.
TIMES = (20, 100)


def tenant(trellis, slug, plan):
    """A new tenant's key."""
    service = "trellis.tenancy.v1.TenancyService"
    made = trellis.call(f"{service}/CreateTenant", {"slug": slug, "displayName": slug, "plan": plan})
    return trellis.call(f"{service}/IssueTenantKey", {"tenantId": made["id"], "displayName": "flood"})["secret"]


def command(trellis, rate, *more):
    return ["taskset", "-c", "1", str(points.ROOT / ".build/release/trellis-load"), "run", trellis.address, METHOD, "{}",
            "--rate", str(rate), *more]


def codes(call):
    """{status code: calls} of one method."""
    return {status["code"]: status["count"] for status in call["statuses"]}


def quantile(slots, share):
    """The least value in ns that so large a share of a histogram's does not exceed; slots are values and their counts in turn."""
    values, counts = slots[::2], slots[1::2]
    wanted, seen = share * sum(counts), 0
    for value, count in zip(values, counts):
        seen += count
        if seen >= wanted:
            return value
    raise ValueError("an empty histogram has no quantiles")


def p99(trellis, key, seconds, other, env=None):
    """us of the neighbour's p99 while another program runs; every call must be answered well."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        beside = subprocess.Popen(["nice", "-n", "19", *other], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            result = subprocess.run(
                command(trellis, NEIGHBOUR, "-c", "4", "--duration", f"{seconds:g}s", "--warmup", "500ms", "--json", file.name),
                env=os.environ | {"TRELLIS_TOKEN": key}, capture_output=True, text=True)
        finally:
            beside.terminate()
            beside.wait()
        if result.returncode:
            raise SystemExit(f"trellis-load: {result.stderr}{result.stdout}")
        call, = json.loads(pathlib.Path(file.name).read_text())["calls"]
        if codes(call).keys() != {0}:
            raise SystemExit(f"the neighbour's calls did not all go well: {codes(call)}")
        return quantile(call["latency"]["slots"], 0.99) / 1000


def refusal_us(trellis, key):
    """CPU us of trellisd a call that is refused, all of PostgreSQL's apart."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        before = machine.cpu(trellis.process.pid)
        subprocess.run(
            command(trellis, STARTER * 100, "-c", "4", "--duration", "2s", "--warmup", "0", "--json", file.name),
            env=os.environ | {"TRELLIS_TOKEN": key}, capture_output=True)
        spent = machine.cpu(trellis.process.pid) - before
        call, = json.loads(pathlib.Path(file.name).read_text())["calls"]
        return spent * 1e6 / sum(codes(call).values())


def measure(home, rounds, seconds):
    """({times the rate: (p99 us with the flood, p99 us without)}, CPU us a refusal), the least of the rounds: a host that takes
    a core away can only add."""
    trellis = points.Trellis(home, loops=1, cores="0")
    try:
        neighbour, flooder = tenant(trellis, "neighbour", "enterprise"), tenant(trellis, "flooder", "starter")
        flooding = os.environ | {"TRELLIS_TOKEN": flooder}
        burning = ["taskset", "-c", "1", sys.executable, attacks.__file__, "burn", ""]
        found = {}
        for times in TIMES:
            flood = command(trellis, STARTER * times, "-c", "4", "--duration", "10m")
            runs = [(p99(trellis, neighbour, seconds, flood, flooding), p99(trellis, neighbour, seconds, burning))
                    for _ in range(rounds)]
            found[times] = tuple(min(side) for side in zip(*runs))
            print(f"  flood of {times} times the rate: p99 {found[times][0]:,.0f} us, without {found[times][1]:,.0f} us", flush=True)
        return found, refusal_us(trellis, flooder)
    finally:
        trellis.stop()
