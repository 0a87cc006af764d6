"""The RPC layer beside its peers: CPU, throughput and latency of four kinds of calls, and two loops beside one.

Every server is pinned to core 0 and the load generator to core 1. Rounds go through all servers in turn, so that what
else the machine does hits all alike; a run during which other programs took CPU is done again.
"""
import dataclasses
import os
import statistics

import peers

#: CPU, in cores, that other programs may take during a run.
NOISE = 0.10
ATTEMPTS = 4
#: Of its own throughput, at which a server's latency is measured.
LOAD_SHARE = 0.5
#: Into how many runs a round's open loop is cut.
OPEN_SHARE = 3


@dataclasses.dataclass
class Scenario:
    name: str
    title: str
    unit: str
    kind: str
    #: The bare server's mode.
    mode: str
    options: list


SCENARIOS = [
    Scenario("unary16", "Unary, 16 B", "RPC", "unary", "say", ["-b", "16"]),
    Scenario("unary1k", "Unary, 1 KiB", "RPC", "unary", "say", ["-b", "1024"]),
    Scenario("count", "Server streaming, 1,000 messages of 16 B a call", "message", "count", "count", ["-s", "8", "-b", "16", "-m", "1000"]),
    Scenario("chat", "Ping-pong streaming, 16 B", "message", "chat", "chat", ["-b", "16", "-m", "1000"]),
]


@dataclasses.dataclass
class Figure:
    """The median of some runs, and the least and the most."""
    median: float
    low: float
    high: float

    @staticmethod
    def of(values):
        values = list(values)
        return Figure(statistics.median(values), min(values), max(values))


class Disturbances:
    """How many runs were done again, and the worst that was kept."""
    repeated = 0
    worst = 0.0


def undisturbed(run):
    """What `run` returns when other programs leave it alone; of some attempts the least disturbed."""
    best = None
    for attempt in range(ATTEMPTS):
        result = run()
        if best is None or result["other_cores"] < best["other_cores"]:
            best = result
        if best["other_cores"] <= NOISE:
            break
        if attempt + 1 < ATTEMPTS:
            Disturbances.repeated += 1
    Disturbances.worst = max(Disturbances.worst, best["other_cores"])
    return best


def measure(scenario, servers, rounds, seconds):
    """{server: {figure: Figure}} of one kind of calls."""
    running = {}
    closed, opened = {s.name: [] for s in servers}, {s.name: [] for s in servers}
    # Ours at half of each peer's rate, beside the peer itself.
    beside = {s.name: [] for s in servers if s.is_peer}
    try:
        for server in servers:
            running[server.name] = peers.Running(server, scenario.mode)

        def once(name, *more):
            return undisturbed(lambda: running[name].load(scenario.kind, *scenario.options, "-t", str(seconds), *more))

        for _ in range(rounds):
            for name in running:
                closed[name].append(once(name))
        rates = {name: statistics.median(r["per_second"] for r in runs) * LOAD_SHARE for name, runs in closed.items()}
        # Shorter and more of them, each beside one of ours.
        for _ in range(rounds * OPEN_SHARE):
            for name in running:
                words = ("-t", str(seconds / OPEN_SHARE), "-r", f"{rates[name]:.1f}")
                opened[name].append(once(name, *words))
                if name in beside:
                    beside[name].append(once(peers.OURS, *words))
    finally:
        for server in running.values():
            server.stop()
    return {
        name: {
            "cpu_us": Figure.of(r["cpu_us"] for r in closed[name]),
            "per_second": Figure.of(r["per_second"] for r in closed[name]),
            "server_busy": Figure.of(r["server_busy"] for r in closed[name]),
            "p50_us": Figure.of(r["p50_us"] for r in opened[name]),
            "p99_us": Figure.of(r["p99_us"] for r in opened[name]),
            "offered_per_second": Figure.of([rates[name]]),
        } | ({"p99_ratio": Figure.of(ours["p99_us"] / theirs["p99_us"] for ours, theirs in zip(beside[name], opened[name]))}
             if name in beside else {})
        for name in running
    }


def bars(scenario, figures, servers):
    """(what, value, limit, whether at most) of one kind of calls."""
    ours = figures[peers.OURS]
    rivals = [s.name for s in servers if s.is_peer]
    found = []
    cpu = ours["cpu_us"].median
    if scenario.name == "unary16":
        found.append(("unary CPU over bare nghttp2", cpu / figures[peers.BARE]["cpu_us"].median, 2, True))
        for rival in rivals:
            wanted = {"grpc-go": 3, "grpc-swift-2": 25}.get(rival, 4.5)
            found.append((f"unary CPU of {rival} over ours", figures[rival]["cpu_us"].median / cpu, wanted, False))
    if scenario.unit == "message":
        for rival in rivals:
            found.append((f"{scenario.name}: messages a CPU second over {rival}", figures[rival]["cpu_us"].median / cpu, 2, False))
    for rival in rivals:
        # At the same rate, since at half of the fastest servers' the one thread of the load generator is what calls wait for.
        # The median over pairs of runs that follow each other: a host that takes the core away for milliseconds makes the
        # p99 of whatever runs just then, so that figures of different moments do not compare.
        found.append((f"{scenario.name}: p99 over {rival} at half its rate, run by run", figures[rival]["p99_ratio"].median, 1, True))
    return found


def admission(rounds, seconds):
    """{whether calls are admitted: CPU us of a unary RPC}: with all interceptors and a credential that is remembered, and with
    none."""
    echo = peers.trellis()
    servers = {True: echo, False: dataclasses.replace(echo, command=echo.command[:-1])}
    running = {admits: peers.Running(server, "") for admits, server in servers.items()}
    results = {admits: [] for admits in servers}
    try:
        for _ in range(rounds):
            for admits, server in running.items():
                results[admits].append(undisturbed(lambda: server.load("unary", "-b", "16", "-t", str(seconds))))
    finally:
        for server in running.values():
            server.stop()
    return {admits: Figure.of(r["cpu_us"] for r in runs) for admits, runs in results.items()}


def loops(rounds, seconds):
    """CPU us of a unary RPC with one loop and with two, and the connections that each of the two has."""
    # Never on the load's core, whose work would be in the way of one of the two.
    cores, load_core = ("0,1", "2") if (os.cpu_count() or 1) > 2 else ("0", "1")
    running, results, spread = {}, {1: [], 2: []}, None
    try:
        for count in results:
            running[count] = peers.Running(peers.trellis(count), "", cores)
            running[count].process.stdout.readline()
        for _ in range(rounds):
            for count, server in running.items():
                results[count].append(undisturbed(
                    lambda: server.load("unary", "-c", "16", "-s", "16", "-b", "16", "-t", str(seconds), cores=load_core)))
        spread = connections_by_loop(running[2], 100)
    finally:
        for server in running.values():
            server.stop()
    return {count: Figure.of(r["cpu_us"] for r in runs) for count, runs in results.items()}, spread


def connections_by_loop(server, count):
    """How many of `count` connections each loop has."""
    with peers.Idle(server, count):
        server.process.stdin.write("\n")
        server.process.stdin.flush()
        return [int(word) for word in server.process.stdout.readline().split()]
