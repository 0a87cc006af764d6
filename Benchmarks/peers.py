"""The servers that scripts/bench compares, and how each is built. All offer bench.Echo (proto/bench.proto).

A peer whose packages are missing is left out, which is said; `scripts/setup --bench` installs them.
"""
import dataclasses
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile

import machine

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / ".build/bench"
#: What callers send as authorization: to every server, and trellis-echo checks it.
AUTHORIZATION = "Bearer trl_bench_0123456789abcdefghijklmnopqrstuv_0123456"
OURS, BARE = "trellis", "bare nghttp2 in C"


@dataclasses.dataclass
class Server:
    """A server program; {address} and {mode} (say, count, chat) in its command are filled in."""
    name: str
    command: list
    version: str
    #: What Trellis is compared with; the bare library is its limit.
    is_peer: bool = True


class Running:
    """A server that runs, on given cores."""

    def __init__(self, server, mode, cores="0"):
        self.address = f"127.0.0.1:{machine.free_port()}"
        line = [str(word).replace("{address}", self.address).replace("{mode}", mode) for word in server.command]
        self.log = tempfile.TemporaryFile()
        # taskset and env exec what they start, so the pid is the server's.
        self.process = subprocess.Popen(["taskset", "-c", cores, *line], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        self.pid = self.process.pid
        try:
            machine.wait_port(self.address)
        except SystemExit:
            self.log.seek(0)
            raise SystemExit(f"{server.name} does not start: {self.log.read().decode()}")

    def stop(self):
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def load(self, kind, *options, cores="1"):
        """One run of the load generator; what it printed, parsed."""
        return machine.json_of(["taskset", "-c", cores, BUILD / "load", self.address, kind, "-p", self.pid,
                                "-a", AUTHORIZATION, *options])


def raise_descriptor_limit(wanted=12_000):
    """As many descriptors as the memory part needs, for us and the servers that we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


def is_fresh(target, *sources):
    files = [f for source in sources for f in ([source] if source.is_file() else source.rglob("*")) if f.is_file()]
    return target.exists() and target.stat().st_mtime >= max(f.stat().st_mtime for f in files)


def debian_version(package):
    result = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else None


def make(*command, **more):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if result.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{result.stdout[-4000:]}")


def compile_c(source, target):
    BUILD.mkdir(parents=True, exist_ok=True)
    if not is_fresh(target, source.parent):
        make("gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-o", target, source, "-lnghttp2")


def build_load():
    compile_c(HERE / "load/load.c", BUILD / "load")


def skip(name, packages):
    print(f"SKIPPED: {name}; its packages are missing: apt-get install {packages}, or scripts/setup --bench", flush=True)


def trellis(loops=1):
    echo = HERE.parent / ".build/release/trellis-echo"
    return Server(OURS, [echo.as_posix(), "{address}", str(loops), AUTHORIZATION], "this clone", is_peer=False)


def ceiling():
    compile_c(HERE / "peers/ceiling/ceiling.c", BUILD / "ceiling")
    return [Server(BARE, [str(BUILD / "ceiling"), "{address}", "{mode}"], debian_version("libnghttp2-dev"), is_peer=False)]


def grpc_go():
    packages = "golang-go golang-google-grpc-dev golang-goprotobuf-dev"
    version = debian_version("golang-google-grpc-dev")
    if not version or not shutil.which("go"):
        skip("grpc-go", packages)
        return []
    source, target = HERE / "peers/grpc-go", BUILD / "grpc-go"
    if not is_fresh(target, source):
        print("building grpc-go's server", flush=True)
        make("go", "build", "-o", target, "echoserver",
             env=dict(os.environ, GO111MODULE="off", GOPATH=f"{source}:/usr/share/gocode", GOFLAGS=""))
    return [Server("grpc-go", ["env", "GOMAXPROCS=1", str(target), "{address}"], version)]


def grpc_cpp():
    version = debian_version("libgrpc++-dev")
    if not version or not shutil.which("grpc_cpp_plugin") or not shutil.which("g++"):
        skip("grpc++", "g++ libgrpc++-dev protobuf-compiler-grpc")
        return []
    source, folder = HERE / "peers/grpc-cpp/server.cc", BUILD / "grpc-cpp"
    target = folder / "server"
    if not is_fresh(target, source, HERE / "proto"):
        print("building grpc++'s server", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        plugin = shutil.which("grpc_cpp_plugin")
        make("protoc", "-I", HERE / "proto", f"--cpp_out={folder}", f"--grpc_out={folder}",
             f"--plugin=protoc-gen-grpc={plugin}", HERE / "proto/bench.proto")
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "grpc++", "protobuf"], check=True,
                               capture_output=True, text=True).stdout.split()
        make("g++", "-std=c++17", "-O2", "-DNDEBUG", f"-I{folder}", "-o", target, source, folder / "bench.pb.cc",
             folder / "bench.grpc.pb.cc", *flags)
    return [Server(f"grpc++ {style}", [str(target), "{address}", style], version) for style in ("callback", "async")]


def grpc_swift(may_build):
    source, scratch = HERE / "peers/grpc-swift", BUILD / "grpc-swift"
    target = scratch / "release/server"
    if not is_fresh(target, source / "Sources", source / "Package.swift"):
        if not may_build:
            print("SKIPPED: grpc-swift-2; it is not built, which takes minutes: run scripts/bench without --quick", flush=True)
            return []
        print("building grpc-swift-2's server: several minutes, once", flush=True)
        log = BUILD / "grpc-swift.log"
        with open(log, "w") as output:
            built = subprocess.run(["nice", "swift", "build", "-c", "release", "--product", "server", "--package-path",
                                    source, "--scratch-path", scratch], stdout=output, stderr=subprocess.STDOUT)
        if built.returncode:
            print(f"SKIPPED: grpc-swift-2; its build failed, see {log}", flush=True)
            return []
        target.touch()
    return [Server("grpc-swift-2", [str(target), "{address}"], "2.4.3")]


def build(quick=False):
    """Builds the load generator and every peer that can be built here; ours must have been built."""
    build_load()
    return [trellis(), *ceiling(), *grpc_go(), *grpc_cpp(), *grpc_swift(not quick)]


class Idle:
    """Connections to a server that have made a call and are silent, while the block runs."""

    def __init__(self, running, count):
        self.command = ["taskset", "-c", "1", str(BUILD / "load"), running.address, "idle", "-c", str(count), "-a",
                        AUTHORIZATION]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            raise SystemExit("the idle connections could not be made")
        return self

    def __exit__(self, *_):
        self.process.communicate()
