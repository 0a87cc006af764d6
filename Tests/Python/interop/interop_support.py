"""What the interop tests share: the messages, the programs, certificates."""
import importlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import types

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAMS = pathlib.Path(os.environ.get("TRELLIS_INTEROP_BIN", ROOT / ".build/debug"))
# A debug build on a busy machine: no test is about this time, all are ended by it.
SECONDS = int(os.environ.get("TRELLIS_INTEROP_SECONDS", 60))

_messages = None


def load_messages():
    """The module that grpcio-tools makes of Tests/Interop/proto/grpc_testing.proto."""
    global _messages
    if _messages is None:
        from grpc_tools import protoc

        out = tempfile.mkdtemp(prefix="trellis-interop-")
        protos = ROOT / "Tests/Interop/proto"
        status = protoc.main(["protoc", f"-I{protos}", f"--python_out={out}", str(protos / "grpc_testing.proto")])
        assert status == 0, "protoc refuses Tests/Interop/proto"
        sys.path.insert(0, out)
        _messages = importlib.import_module("grpc_testing_pb2")
    return _messages


def program(name):
    path = PROGRAMS / name
    assert path.exists(), f"no {path}: swift build --product {name}"
    return path


class InteropServer:
    """A process of interop-server, as a context manager."""

    def __init__(self, certificates=None):
        flags = ["--tls-cert", certificates.cert, "--tls-key", certificates.key] if certificates else []
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [program("interop-server"), "--listen", "127.0.0.1:0", *flags],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        words = self.process.stdout.readline().split()
        if words[:2] != ["interop-server", "ready"]:
            self.process.wait(SECONDS)
            raise AssertionError(f"no ready line but {words}; it said: {self.said()}")
        self.address = words[2]
        self.host, port = self.address.rsplit(":", 1)
        self.port = int(port)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        """Sends SIGTERM and waits for the end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SECONDS)
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            assert self.stop() == 0, self.said()
        assert self.process.returncode == 0, f"the server ended with {self.process.returncode}: {self.said()}"


def make_certificates(folder):
    """An authority and a certificate by it for 127.0.0.1 and localhost, made by openssl for this run only."""
    def openssl(*arguments):
        result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS)
        assert result.returncode == 0, result.stderr

    made = types.SimpleNamespace(ca=folder / "ca.pem", cert=folder / "cert.pem", key=folder / "key.pem")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", folder / "ca.key", "-out", made.ca, "-days", 2, "-subj", "/CN=interop tests")
    openssl("req", *key, "-keyout", made.key, "-out", folder / "cert.csr", "-subj", "/CN=localhost")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", folder / "cert.csr", "-CA", made.ca, "-CAkey", folder / "ca.key", "-CAcreateserial",
            "-out", made.cert, "-days", 2, "-extfile", folder / "extensions")
    return made
