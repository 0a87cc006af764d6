"""Fixtures for the tests of the built programs."""
import pathlib
import shutil
import tempfile

import pytest

from programs_support import CLI, ROOT, Daemon


@pytest.fixture
def home():
    path = pathlib.Path(tempfile.mkdtemp(prefix="trellis-programs-", dir="/tmp"))
    path.chmod(0o755)  # the private cluster runs as an unprivileged user
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def daemon(home):
    running = Daemon(home)
    yield running
    if running.process and running.process.poll() is None:
        running.process.kill()
        running.process.wait()


@pytest.fixture(scope="module")
def story():
    """One server with the demo's SDGs and two tenants, for the tests of the CLI that only add to it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="trellis-story-", dir="/tmp"))
    path.chmod(0o755)
    running = Daemon(path).start()
    cli = CLI(path)
    for slug in ("lima", "oslo"):
        tenant = cli.json("--platform", "tenancy", "create-tenant", "--slug", slug, "--display-name", slug.title(),
                          "--plan", "enterprise")
        secret = cli.json("--platform", "tenancy", "issue-tenant-key", tenant["id"], "first")["secret"]
        cli.run("login", slug, stdin=secret + "\n")
    cli.run("--platform", "import", "sdg", str(ROOT / "demo/sdg"))
    cli.run("use", "lima")
    yield cli
    code, _ = running.stop()
    assert code == 0, running.log()
    shutil.rmtree(path, ignore_errors=True)
