"""User instructions an RPC or a message costs trellis-echo, counted by callgrind and held against budgets.json.

Unlike time, the count does not depend on what else the machine does. A figure is the difference of two runs of different
lengths, so that start and connections do not count. The profiles stay in .build/bench: callgrind_annotate shows them.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess

import machine
import peers

FILE = pathlib.Path(__file__).resolve().parent / "budgets.json"
#: A count that is this share beyond its budget fails.
TOLERANCE = 0.03
#: name: kind of load, its options, and the units of the two runs. Whole batches, so that rounds of reads are full.
COUNTS = {
    "unary": ("unary", ["-b", "16"], (2_048, 10_240)),
    "count": ("count", ["-b", "16", "-m", "500"], (32_000, 128_000)),
    "chat": ("chat", ["-b", "16", "-m", "1000"], (6_400, 25_600)),
}
WHAT = {"unary": "a unary RPC", "count": "a message of a server's stream", "chat": "a message and its answer"}


def instructions(name, kind, options, units):
    """Instructions of a whole run of the server."""
    profile = peers.BUILD / f"callgrind.{name}.{units}.out"
    program, *arguments = peers.trellis().command
    # Debian 12's valgrind gives up on the debug information of Swift; the names of functions stay.
    stripped = peers.BUILD / "trellis-echo.stripped"
    peers.make("strip", "--strip-debug", "-o", stripped, program)
    server = peers.Server("trellis-echo under valgrind", ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}",
                                                          stripped, *arguments], "")
    running = peers.Running(server, "", cores="0-%d" % (os.cpu_count() - 1))
    try:
        # One connection: with more, how their reads happen to meet would count.
        running.load(kind, "-c", "1", "-s", "32", "-n", str(units), *options, cores="0-%d" % (os.cpu_count() - 1))
        running.process.terminate()
        running.process.wait(60)
    finally:
        running.stop()
    found = re.search(r"^(?:summary|totals): (\d+)", profile.read_text(), re.M)
    if not found:
        raise SystemExit(f"{profile} has no sum: is valgrind whole?")
    return int(found[1])


def measure(names):
    result = {}
    for name in names:
        kind, options, (few, many) = COUNTS[name]
        result[name] = round((instructions(name, kind, options, many) - instructions(name, kind, options, few)) / (many - few))
        print(f"  {WHAT[name]}: {result[name]:,} instructions", flush=True)
    return result


def versions():
    """What the counts depend on beside our own code."""
    return {"swift": machine.swift_version(), "nghttp2": peers.debian_version("libnghttp2-dev")}


def run(update):
    """Measures; writes the budgets, or holds them against what is measured. Returns what was missed."""
    if not shutil.which("valgrind"):
        raise SystemExit("bench: valgrind is missing: run scripts/setup")
    peers.build_load()
    counted = measure(COUNTS)
    if update:
        FILE.write_text(json.dumps({"versions": versions(), "instructions": counted}, indent=4) + "\n")
        print(f"written to {FILE}")
        return []
    budgets = json.loads(FILE.read_text())
    if budgets["versions"] != versions():
        print(f"SKIPPED: the comparison; the budgets are those of {budgets['versions']}, and here is {versions()}")
        return []
    missed = []
    for name, budget in budgets["instructions"].items():
        change = counted[name] / budget - 1
        good = change <= TOLERANCE
        print(f"  bar: {name} at most {budget:,} + {TOLERANCE:.0%}: {counted[name]:,}, {change:+.1%} {'met' if good else 'MISSED'}")
        if change < -TOLERANCE:
            print("    a gain: scripts/bench budget --update keeps it")
        if not good:
            missed.append(f"{name}: {change:+.1%}; look for what costs it, or write it down with scripts/bench budget --update")
    return missed
