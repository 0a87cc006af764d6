"""trellis-load as a user runs it, against a server that is built."""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request

import pytest

from programs_support import BUILT, CLEAN, ROOT, CLI, Daemon

SCENARIOS = ROOT / "demo/load"


@pytest.fixture(scope="module")
def served():
    """A server with a tenant, its addresses, and the tenant's key."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="trellis-load-", dir="/tmp"))
    path.chmod(0o755)  # the private cluster runs as an unprivileged user
    daemon = Daemon(path).start()
    cli = CLI(path)
    tenant = cli.json("--platform", "tenancy", "create-tenant", "--slug", "lima", "--display-name", "Lima", "--plan",
                      "enterprise")
    daemon.key = cli.json("--platform", "tenancy", "issue-tenant-key", tenant["id"], "load")["secret"]
    yield daemon
    code, _ = daemon.stop()
    assert code == 0, daemon.log()
    shutil.rmtree(path, ignore_errors=True)


def load(*words, code=0, key=None, **variables):
    env = {**CLEAN, **({"TRELLIS_TOKEN": key} if key else {}), **variables}
    done = subprocess.run([BUILT / "trellis-load", *words], capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == code, f"exit code {done.returncode}: {done.stderr}{done.stdout}"
    return done


@pytest.mark.parametrize(
    "scenario", sorted(path.name for path in SCENARIOS.glob("*.json") if path.name != "noisy-neighbour.json"))
def test_the_scenarios_of_the_demo_run_without_an_error(served, tmp_path, scenario):
    file = tmp_path / "result.json"
    load("run", served.address, "--scenario", str(SCENARIOS / scenario), "--users", "4", "-c", "2", "--duration", "1s",
         "--warmup", "100ms", "--json", str(file), "--bar", "errors<=0", "--bar", "rate>1",
         "--server-metrics", f"http://{served.admin}/metrics", "--interval", "200ms", key=served.key)
    result = json.loads(file.read_text())
    assert result["schema"] == "trellis-load/1"
    assert all(call["calls"] > 0 for call in result["calls"]), result["calls"]
    assert result["server"] and result["server"][0]["residentBytes"] > 1 << 20


def test_a_flood_of_one_tenant_is_refused_and_another_does_not_notice(served, tmp_path):
    cli = CLI(served.home)
    flooder = cli.json("--platform", "tenancy", "create-tenant", "--slug", "flooder", "--display-name", "Flooder")
    assert flooder["plan"] == "starter"
    key = cli.json("--platform", "tenancy", "issue-tenant-key", flooder["id"], "load")["secret"]
    file = tmp_path / "result.json"
    load("run", served.address, "--scenario", str(SCENARIOS / "noisy-neighbour.json"), "--rate", "1050", "-c", "4",
         "--duration", "4s", "--warmup", "0", "--json", str(file), "--bar", "neighbour:errors<=0", "--bar",
         "flooder:errors<=0", FLOODER=key, NEIGHBOUR=served.key)
    calls = {call["name"]: call for call in json.loads(file.read_text())["calls"]}
    statuses = {name: {s["code"]: 0 for s in call["statuses"]} for name, call in calls.items()}
    for name, call in calls.items():
        for status in call["statuses"]:
            statuses[name][status["code"]] += status["count"]
    assert statuses["neighbour"].keys() == {"OK"} and statuses["neighbour"]["OK"] > 100
    # Starter lets 300 reads through at once and 100 more a second, however many come; arrivals may have waited.
    assert 300 <= statuses["flooder"]["OK"] <= 300 + 100 * 12, statuses
    assert statuses["flooder"]["RESOURCE_EXHAUSTED"] > 1000, statuses
    metrics = urllib.request.urlopen(f"http://{served.admin}/metrics").read().decode()
    refused = re.search(r'trellis_rate_limited_total\{subject="credential",class="read"\} (\d+)', metrics)
    assert int(refused[1]) == statuses["flooder"]["RESOURCE_EXHAUSTED"]


def test_a_method_is_found_by_reflection_and_processes_share_the_load(served, tmp_path):
    files = [tmp_path / "one.json", tmp_path / "two.json", tmp_path / "both.json"]
    for file, processes in ((files[0], "1"), (files[1], "3")):
        load("run", served.address, "grpc.health.v1.Health/Check", "{}", "--count", "1000", "--processes", processes,
             "--threads", "2", "--json", str(file))
        call, = json.loads(file.read_text())["calls"]
        assert call["calls"] == 1000 and call["failed"] == 0
        assert call["latency"]["count"] == sum(call["latency"]["slots"][1::2]) == 1000
    load("merge", *map(str, files[:2]), "--json", str(files[2]), "--html", str(tmp_path / "both.html"))
    call, = json.loads(files[2].read_text())["calls"]
    assert call["calls"] == call["latency"]["count"] == 2000
    page = (tmp_path / "both.html").read_text()
    assert page.startswith("<!doctype html>") and "src=" not in page


def test_an_open_loop_is_shared_by_processes_to_the_last_arrival(served, tmp_path):
    file = tmp_path / "result.json"
    done = load("run", served.address, "Health/Check", "--rate", "50..250@1s", "--rate", "100@500ms", "--processes", "2",
                "--warmup", "0", "--json", str(file))
    result = json.loads(file.read_text())
    assert result["calls"][0]["calls"] == result["generator"]["scheduled"] == 200
    assert "open loop" in done.stdout and "service time" in done.stdout


def test_bars_and_mistakes_have_exit_codes(served, tmp_path):
    missed = load("run", served.address, "Health/Check", "--count", "20", "--bar", "p50<1ns", "--bar", "Check:errors<1%",
                  code=3)
    assert "p50<1ns: MISSED" in missed.stdout and "Check:errors<1%: met" in missed.stdout
    assert "did you mean grpc.health.v1.Health/Check?" in load("run", served.address, "Health/Chek", code=2).stderr
    assert "--rate and --users" in load("run", served.address, "Health/Check", "--rate", "5", "--users", "5", code=2).stderr
    refused = load("run", served.address, "TenancyService/ListSites", "--count", "5", code=1)
    assert "UNAUTHENTICATED" in refused.stdout
    scenario = tmp_path / "wrong.json"
    scenario.write_text('{"flows": [{"steps": [\n{"call": "Health/Check", "expct": []}]}]}')
    error = load("run", served.address, "--scenario", str(scenario), code=2).stderr
    assert "line 2: flows[0].steps[0].expct is not known; did you mean expect?" in error
    assert "cannot connect" in load("run", "127.0.0.1:1", "Health/Check", code=2).stderr


def test_ctrl_c_ends_a_run_with_its_report(served, tmp_path):
    for processes in ("1", "2"):
        file = tmp_path / f"{processes}.json"
        running = subprocess.Popen(
            [BUILT / "trellis-load", "run", served.address, "Health/Check", "--duration", "10m", "--warmup", "0",
             "--interval", "100ms", "--processes", processes, "--json", str(file)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN)
        # The first line of the view says that load is on.
        assert "/s" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
        assert running.returncode == 130, output
        assert "ended early: interrupted" in output
        assert json.loads(file.read_text())["calls"][0]["calls"] > 0


def test_a_run_compared_with_itself_has_no_difference(served, tmp_path):
    file = tmp_path / "result.json"
    load("run", served.address, "Health/Check", "--users", "2", "--duration", "1s", "--interval", "100ms", "--json",
         str(file))
    text = load("compare", str(file), str(file)).stdout
    assert text.count("no difference that can be told from noise") == 5
