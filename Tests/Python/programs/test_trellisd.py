"""trellisd as an operator meets it: the ready line, the home folder, signals, mistakes."""
import json
import os
import signal
import socket
import stat
import subprocess
import time
import urllib.error
import urllib.request

from programs_support import BUILT, CLEAN, CLI


def run(*words, env=None, timeout=60):
    return subprocess.run(
        [BUILT / "trellisd", *words], capture_output=True, text=True, timeout=timeout, env={**CLEAN, **(env or {})})


def get(admin, path):
    with urllib.request.urlopen(f"http://{admin}{path}", timeout=5) as answer:
        return answer.status, answer.read().decode()


def test_standard_output_is_one_line_and_sigterm_ends_with_0(daemon):
    daemon.start()
    code, rest = daemon.stop()
    assert code == 0, daemon.log()
    assert rest == "", "nothing but the ready line goes to standard output"
    for line in daemon.log().splitlines():
        assert {"time", "level", "message"} <= json.loads(line).keys()


def test_sigint_does_the_same(daemon):
    daemon.start()
    assert daemon.stop(signal.SIGINT)[0] == 0, daemon.log()


def test_credentials_are_private_and_a_restart_keeps_the_key(daemon):
    daemon.start()
    first = daemon.credentials()
    mode = stat.S_IMODE(os.stat(daemon.home / "credentials.json").st_mode)
    assert mode == 0o600
    assert first["address"] == daemon.address
    assert CLI(daemon.home).json("tenancy", "who-am-i")["kind"] == "PRINCIPAL_KIND_PLATFORM"
    daemon.stop()
    daemon.start()
    second = daemon.credentials()
    assert second["platform_key"] == first["platform_key"]
    assert second["address"] == daemon.address != first["address"]
    assert CLI(daemon.home).json("tenancy", "who-am-i")["kind"] == "PRINCIPAL_KIND_PLATFORM"
    daemon.stop()


def test_a_second_server_on_the_same_home_is_refused_with_the_pid_of_the_first(daemon):
    daemon.start()
    second = run("serve", "--home", daemon.home, "--listen", "127.0.0.1:0", "--admin", "none")
    assert second.returncode == 1
    assert f"another trellisd (pid {daemon.process.pid}) runs on" in second.stderr
    assert second.stdout == ""
    assert CLI(daemon.home).json("tenancy", "who-am-i"), "the first one is not disturbed"
    daemon.stop()


def test_after_kill_9_it_starts_again_and_nothing_acknowledged_is_missing(daemon):
    daemon.start()
    cli = CLI(daemon.home)
    cli.run("tenancy", "create-tenant", "--slug", "kept", "--display-name", "Kept")
    daemon.process.kill()
    daemon.process.wait()
    daemon.start()
    assert [tenant["slug"] for tenant in cli.json("tenancy", "list-tenants")["tenants"]] == ["kept"]
    assert daemon.stop()[0] == 0


def test_a_second_signal_stops_at_once(daemon):
    daemon.start("--grace", "60s")
    host, port = daemon.address.rsplit(":", 1)
    # A call that will not end by itself: a health watch.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(daemon.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        next(watch)
        hung = socket.create_connection((host, int(port)))
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        if daemon.process.poll() is None:
            daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait(10)
        assert time.monotonic() - began < 5
        hung.close()


def test_the_admin_port_answers_probes_and_metrics(daemon):
    daemon.start()
    assert get(daemon.admin, "/healthz")[0] == 200
    assert get(daemon.admin, "/readyz")[0] == 200
    assert "# TYPE" in get(daemon.admin, "/metrics")[1]
    try:
        get(daemon.admin, "/nothing")
        raise AssertionError("an unknown path must not be found")
    except urllib.error.HTTPError as error:
        assert error.code == 404
    daemon.stop()


def test_the_admin_port_can_be_turned_off(home):
    process = subprocess.Popen(
        [BUILT / "trellisd", "serve", "--home", home, "--listen", "127.0.0.1:0", "--admin", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=CLEAN)
    assert process.stdout.readline().split()[-1] == "admin=none"
    process.terminate()
    assert process.wait(60) == 0
    process.stdout.close()


def test_wrong_values_name_their_source_and_what_would_be_right(home):
    config = home / "t.conf"
    config.write_text("grace = soon\n")
    done = run("serve", "--home", home, "--loops", "0", "--config", config, env={"TRELLIS_LISTEN": "nowhere"})
    assert done.returncode == 2
    assert "--loops: '0' is not a whole number from 1 to 256" in done.stderr
    assert "TRELLIS_LISTEN: 'nowhere' is not HOST:PORT" in done.stderr
    assert f"{config}:1: grace: 'soon' is not a duration" in done.stderr
    assert "did you mean --listen?" in run("serve", "--lisen", "x").stderr
    assert "did you mean 'serve'?" in run("serv").stderr
    assert run().returncode == 2


def test_a_port_that_is_taken_is_named(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        done = run("serve", "--home", home, "--listen", address, "--admin", "none")
    assert done.returncode == 1
    assert address in done.stderr and "in use" in done.stderr
    assert done.stdout == ""


def test_a_database_that_is_not_there_is_named_without_its_password(home):
    done = run(
        "serve", "--home", home, "--listen", "127.0.0.1:0", "--admin", "none", "--database-url",
        "postgresql://ana:hunter2@127.0.0.1:1/none", timeout=120)
    assert done.returncode == 1
    assert "hunter2" not in done.stderr
    assert "127.0.0.1" in done.stderr


def test_help_and_version_go_to_standard_output():
    assert run("--help").returncode == 0 and "serve" in run("--help").stdout
    help_ = run("serve", "--help").stdout
    assert "--listen HOST:PORT" in help_ and "Default: 127.0.0.1:7070" in help_
    assert run("version").stdout.startswith("trellisd 0.")


def test_migrate_makes_the_schema_once(home):
    first = run("migrate", "--home", home)
    assert first.returncode == 0, first.stderr
    assert "applied 0001_" in first.stdout
    second = run("migrate", "--home", home)
    assert second.returncode == 0 and "already" in second.stdout


def test_the_command_finds_the_ca_of_its_homes_server_and_says_what_is_wrong_elsewhere(home, daemon):
    folder = home / "tls"
    folder.mkdir()

    def openssl(*words):
        done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=server", "-addext", "subjectAltName=DNS:server.test", "-keyout", "server-key.pem", "-out", "ca.pem")
    daemon.start("--tls-cert", str(folder / "ca.pem"), "--tls-key", str(folder / "server-key.pem"))
    assert daemon.ready.endswith(" tls=on\n")
    # The certificate is not for 127.0.0.1: credentials.json says for what.
    assert daemon.credentials()["tls"] == {"server_name": "server.test"}
    cli = CLI(home)
    assert cli.json("status")["server"] == "serving"
    elsewhere = CLI(home / "none")
    assert "--tls" in elsewhere.error("--address", daemon.address, "status", code=6)
    assert "--ca FILE" in elsewhere.error("--address", daemon.address, "--tls", "status", code=6)
    ca = ("--address", daemon.address, "--ca", str(folder / "ca.pem"))
    assert "server.test" in elsewhere.error(*ca, "status", code=6)
    assert elsewhere.json(*ca, "--server-name", "server.test", "status")["server"] == "serving"
    assert daemon.stop()[0] == 0
    daemon.start()
    assert "--no-tls" in elsewhere.error("--address", daemon.address, "--tls", "status", code=6)
    assert daemon.stop()[0] == 0
