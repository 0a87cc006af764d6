"""One run of h2load, the load generator of nghttp2 (Debian: nghttp2-client)."""
import re
import subprocess
import time

import machine

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}


class Run:
    """Sends `count` requests to `url` and holds what came of them."""

    def __init__(self, pid, url, body, count, connections, streams, cores="1", headers=()):
        command = ["taskset", "-c", cores, "h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-n{count}", "-d", body]
        for header in ("content-type: application/grpc", "te: trailers", *headers):
            command += ["-H", header]
        before = machine.cpu(pid)
        busy = machine.busy()
        start = time.time()
        result = subprocess.run(command + [url], capture_output=True, text=True, timeout=300)
        wall = time.time() - start
        self.cpu_us = (machine.cpu(pid) - before) * 1e6 / count
        self.machine_busy = (machine.busy() - busy) / wall
        if result.returncode:
            raise SystemExit(f"h2load failed: {result.stderr}{result.stdout}")
        finished = re.search(r"finished in ([\d.]+)(us|ms|s|m)[^,]*, ([\d.]+) req/s", result.stdout)
        self.per_second = count / (float(finished[1]) * SECONDS[finished[2]])
        self.succeeded = int(re.search(r"(\d+) succeeded", result.stdout)[1])
        self.data = int(re.search(r"\((\d+)\) data", result.stdout)[1])
        if self.succeeded != count:
            raise SystemExit(f"{url}: {self.succeeded} of {count} succeeded\n{result.stdout}")
