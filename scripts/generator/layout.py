"""Where generated files go, for the project and for the fixture of the tests."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    root: Path
    c_module: str = "CTrellisAPI"
    module: str = "TrellisAPI"
    c: str = "Sources/CTrellisAPI"
    messages: str = "Sources/TrellisAPI/Generated"
    services: str = "Sources/TrellisServer/Generated"
    clients: str = "clients/swift/Generated"
    core: str = "Sources/Core"
    # Folders of proto files whose C and Swift come from the project's own modules, imported where they are needed.
    provided: tuple[Path, ...] = field(default=())

    @property
    def protos(self) -> Path:
        return self.root / "proto"


def project(root: Path) -> Layout:
    return Layout(root)


def fixture(root: Path) -> Layout:
    """A small API with one of everything: what is generated for it is compared, compiled and used by tests."""
    return Layout(
        root / "Tests/Fixture", "CFixtureAPI", "FixtureAPI", "Sources/CFixtureAPI", "Sources/FixtureAPI/Messages",
        "Sources/FixtureAPI/Services", "Sources/FixtureAPI/Clients", "Sources/Core", (root / "proto",))
