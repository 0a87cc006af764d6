"""Where generated files go, for the project and for what its tests are made of."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    root: Path
    c_module: str = "CTrellisAPI"
    module: str = "TrellisAPI"
    c: str = "Sources/CTrellisAPI"
    messages: str = "Sources/TrellisAPI/Generated"
    # None where there are messages only.
    services: str | None = "Sources/TrellisServer/Generated"
    clients: str | None = "clients/swift/Generated"
    core: str | None = "Sources/Core"
    # Folders of proto files whose C and Swift come from the project's own modules, imported where they are needed.
    provided: tuple[Path, ...] = field(default=())
    # Whether the contract has documents of its own.
    documents: bool = False

    @property
    def protos(self) -> Path:
        return self.root / "proto"


def project(root: Path) -> Layout:
    return Layout(root, documents=True)


def fixture(root: Path) -> Layout:
    """A small API with one of everything: what is generated for it is compared, compiled and used by tests."""
    return Layout(
        root / "Tests/Fixture", "CFixtureAPI", "FixtureAPI", "Sources/CFixtureAPI", "Sources/FixtureAPI/Messages",
        "Sources/FixtureAPI/Services", "Sources/FixtureAPI/Clients", "Sources/Core", (root / "proto",))


def interop(root: Path) -> Layout:
    """The messages of gRPC's interoperability tests. Its RPCs are nobody's contract, so they have no policies, and the
    programs of the tests register and call them by their paths."""
    return Layout(
        root / "Tests/Interop", "CInteropAPI", "InteropAPI", "Sources/CInteropAPI", "Sources/InteropAPI", None, None, None)
