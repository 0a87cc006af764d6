"""What the machine says of processes: CPU time, memory, who listens; and what it is."""
import json
import os
import platform
import re
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    """CPU seconds (user + system) that a process has used."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid):
    """Resident memory in bytes."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def busy():
    """CPU seconds that the whole machine has spent."""
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:]]
    return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6] + fields[7]) / TICK


def wait_port(address, seconds=15):
    """Waits until something accepts at host:port."""
    host, port = address.rsplit(":", 1)
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection((host, int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing answers at {address}")


def free_port():
    """A TCP port that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def json_of(command):
    """What a program prints, parsed."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600)
    if result.returncode:
        raise SystemExit(result.stderr or f"{command} failed with exit code {result.returncode}")
    return json.loads(result.stdout)


def swift_version():
    text = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"Swift version ([\d.]+)", text)
    return found[1] if found else "unknown"


def description():
    """The machine, for the results."""
    model = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read())
    release = re.search(r'PRETTY_NAME="(.*)"', open("/etc/os-release").read())
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "system": release[1] if release else "unknown",
        "swift": swift_version(),
    }
