"""Resident memory of servers: idle, and a connection that has made a call and fallen silent."""
import time

import machine
import peers


def settled(pid):
    """Resident memory once it has stopped moving: collectors and allocators take their time."""
    last, end = machine.resident(pid), time.time() + 5
    while time.time() < end:
        time.sleep(0.25)
        now = machine.resident(pid)
        if now == last:
            break
        last = now
    return last


def measure(server, counts):
    """{"idle": bytes, "connection": {count: bytes}}, in a process of its own for each count."""
    result = {"idle": 0, "connection": {}}
    for count in counts:
        running = peers.Running(server, "say")
        try:
            idle = settled(running.pid)
            with peers.Idle(running, count):
                full = settled(running.pid)
        finally:
            running.stop()
        result["idle"] = max(result["idle"], idle)
        result["connection"][count] = (full - idle) / count
    return result
