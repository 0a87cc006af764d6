"""The built programs, run as a user runs them."""
import json
import os
import pathlib
import signal
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILT = pathlib.Path(os.environ.get("TRELLIS_BUILT", ROOT / ".build/release"))
# What the environment of whoever runs the tests has must not reach the programs.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("TRELLIS_")}


class Daemon:
    """A trellisd on a home folder."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.process = None

    def start(self, *flags, listen="127.0.0.1:0"):
        self.process = subprocess.Popen(
            [BUILT / "trellisd", "serve", "--home", self.home, "--listen", listen, "--admin", "127.0.0.1:0", *flags],
            stdout=subprocess.PIPE, stderr=open(self.home / "log", "ab"), text=True, env=CLEAN)
        self.ready = self.process.stdout.readline()
        assert self.ready.startswith("trellisd ready grpc="), self.log()
        self.address, self.admin = (word.split("=", 1)[1] for word in self.ready.split()[2:4])
        return self

    def log(self):
        return (self.home / "log").read_text(errors="replace")[-4000:]

    def credentials(self):
        return json.loads((self.home / "credentials.json").read_text())

    def stop(self, number=signal.SIGTERM):
        """Ends the process and returns its exit code and the rest of its standard output."""
        self.process.send_signal(number)
        rest = self.process.stdout.read()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code, rest


class CLI:
    """The trellis command on a home folder."""

    def __init__(self, home):
        self.home = home

    def run(self, *words, stdin="", code=0, env=None):
        done = subprocess.run(
            [BUILT / "trellis", "--home", self.home, *words], input=stdin, capture_output=True, text=True, timeout=120,
            env={**CLEAN, **(env or {})})
        assert done.returncode == code, f"exit code {done.returncode}: {done.stderr}{done.stdout}"
        return done

    def text(self, *words, **options):
        return self.run(*words, **options).stdout

    def json(self, *words, **options):
        return json.loads(self.run("--json", *words, **options).stdout)

    def error(self, *words, code, **options):
        return self.run(*words, code=code, **options).stderr
