"""CPU a unary RPC that touches no database, beside the bare HTTP/2 library and grpc-go, in one run.

Every server answers bench.Echo/Say with its own message. Servers are pinned to core 0 and h2load to core 1; rounds go
through all of them in turn, so that what else the machine does hits all alike.
"""
import os
import shutil
import statistics
import struct
import subprocess
import tempfile

import h2load
import machine

HERE = os.path.dirname(os.path.abspath(__file__))
#: The message {text: 16 x "x", n: 42} with gRPC's prefix.
MESSAGE = b"\x0a\x10" + b"x" * 16 + b"\x10\x2a"
BODY = b"\0" + struct.pack(">I", len(MESSAGE)) + MESSAGE


def build_peers(build):
    """Builds the peers that can be built here; says loudly which cannot."""
    os.makedirs(build, exist_ok=True)
    ceiling = os.path.join(build, "ceiling")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-o", ceiling, f"{HERE}/peers/ceiling/ceiling.c", "-lnghttp2"], check=True)
    peers = {"bare nghttp2 in C": [ceiling, "{}", "-e"]}
    if shutil.which("go") and os.path.isdir("/usr/share/gocode/src/google.golang.org/grpc"):
        go = os.path.join(build, "grpc-go")
        env = dict(os.environ, GO111MODULE="off", GOPATH=f"{HERE}/peers/grpc-go:/usr/share/gocode", GOFLAGS="")
        subprocess.run(["go", "build", "-o", go, "echoserver"], check=True, env=env)
        peers["grpc-go"] = ["env", "GOMAXPROCS=1", go, "{}"]
    else:
        print("SKIPPED: grpc-go (apt-get install golang-go golang-google-grpc-dev golang-goprotobuf-dev)", flush=True)
    return peers


def run(trellis_echo, build, rounds, seconds):
    """Prints the table and returns CPU us/RPC by server."""
    servers = {"trellis": [trellis_echo, "{}"], **build_peers(build)}
    processes, addresses = {}, {}
    with tempfile.NamedTemporaryFile(suffix=".bin") as body:
        body.write(BODY)
        body.flush()
        try:
            for name, command in servers.items():
                addresses[name] = f"127.0.0.1:{machine.free_port()}"
                line = [word.replace("{}", addresses[name]) for word in command]
                processes[name] = subprocess.Popen(["taskset", "-c", "0", *line], stdout=subprocess.DEVNULL)
                machine.wait_port(addresses[name])

            def once(name, count):
                # taskset and env exec what they start, so the pid is the server's.
                result = h2load.Run(
                    processes[name].pid, f"http://{addresses[name]}/bench.Echo/Say", body.name, count, 8, 32)
                if result.data != len(BODY) * count:
                    raise SystemExit(f"{name} does not echo: {result.data} bytes for {count} requests")
                return result

            counts = {name: int(once(name, 20_000).per_second * seconds) // 256 * 256 for name in servers}
            results = {name: [] for name in servers}
            for index in range(rounds):
                for name in servers:
                    results[name].append(once(name, counts[name]))
                print(f"  echo: round {index + 1} of {rounds}", flush=True)
        finally:
            for process in processes.values():
                process.terminate()
                process.wait()
    costs = {name: statistics.median(r.cpu_us for r in runs) for name, runs in results.items()}
    bare = costs["bare nghttp2 in C"]
    print("\nUnary echo, 8 connections x 32 streams, server on core 0, load on core 1, medians")
    print(f"  {'server':<20}{'CPU us/RPC':>12}{'x bare C':>10}{'RPC/s':>12}")
    for name, runs in results.items():
        rate = statistics.median(r.per_second for r in runs)
        print(f"  {name:<20}{costs[name]:>12.2f}{costs[name] / bare:>10.2f}{rate:>12,.0f}")
    return costs
