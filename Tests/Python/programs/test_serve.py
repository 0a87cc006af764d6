"""scripts/serve as a newcomer meets it: in a terminal, twice, with the commands that it prints, ended by Ctrl-C."""
import os
import pty
import re
import select
import subprocess
import time

from programs_support import BUILT, CLEAN, CLI, ROOT


class Serve:
    """scripts/serve in a terminal of its own."""

    def __init__(self, home):
        self.home = home
        self.text = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            words = ["scripts/serve", "--home", str(home), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
            os.execve("scripts/serve", words, {**CLEAN, "TERM": "dumb"})

    def read_until(self, end, seconds):
        deadline = time.monotonic() + seconds
        while end not in self.text:
            assert time.monotonic() < deadline, f"no {end!r} within {seconds} s in:\n{self.text[-4000:]}"
            if select.select([self.terminal], [], [], 1)[0]:
                try:
                    self.text += os.read(self.terminal, 65536).decode(errors="replace").replace("\r\n", "\n")
                except OSError:  # the other end is closed
                    assert end in self.text, self.text[-4000:]
        return self.text

    def interrupt(self):
        os.write(self.terminal, b"\x03")
        self.read_until("stopped", 60)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(status)


def counts(cli):
    tenants = cli.json("--platform", "tenancy", "list-tenants", "--all")["tenants"]
    releases = cli.json("reference", "list-releases", "--all")["releases"]
    base = cli.json("search", "list-knowledge-bases")["knowledgeBases"][0]["id"]
    documents = cli.json("search", "list-documents", "--knowledge-base-id", base, "--all")["documents"]
    return len(tenants), len(releases), len(documents)


def test_it_serves_twice_prints_commands_that_work_and_ends_on_ctrl_c(home):
    assert (BUILT / "trellisd").exists(), "the release build comes first"
    serve = Serve(home)
    text = serve.read_until("Ctrl-C stops the server.", 600)
    commands = re.findall(r"^  (\S*trellis --home .*)$", text, re.MULTILINE)
    assert len(commands) == 3
    outputs = []
    for command in commands:
        done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, env=CLEAN)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        outputs.append(done.stdout)
    assert "sdg 6.1" in outputs[0]
    assert "Initiate Refund" in outputs[1]
    assert "Initiate Refund" not in outputs[2]
    cli = CLI(home)
    first = counts(cli)
    assert first == (2, 1, 55)
    assert serve.interrupt() == 0

    again = Serve(home)
    again.read_until("Ctrl-C stops the server.", 600)
    assert counts(cli) == first, "a second start loads nothing twice"
    assert again.interrupt() == 0
