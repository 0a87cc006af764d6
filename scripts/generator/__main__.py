"""The run: read, generate, write or compare, for the project and for what its tests are made of."""

import argparse
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from . import authorization, baseline, c_messages, descriptors, layout, swift_client, swift_messages, swift_services
from .layout import Layout
from .output import GenerationError, Output


def generate(where: Layout, server) -> Output:
    """Everything of a layout; `server` makes migrated databases, or is None to leave the queries alone."""
    out = Output(where.root)
    files = descriptors.compile_protos(where.protos, where.provided)
    api = descriptors.read(files, where.protos if where.provided else None)
    baseline.check(where.root, api)
    c = c_messages.generate(api, where, out)
    swift_messages.generate(api, c, where, out)
    if where.services:
        swift_services.generate(api, where, out)
    if where.clients:
        swift_client.generate(api, where, out)
    if where.documents:
        authorization.generate(api, where, out)
    if server and where.core:
        from . import sql_swift  # here, so that --no-sql needs no psycopg
        with server(where) as database:
            sql_swift.generate(api, database, where, out)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/generate")
    parser.add_argument("--root", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything committed is out of date")
    parser.add_argument("--no-sql", action="store_true", help="leave the typed queries alone")
    parser.add_argument("--baseline", action="store_true", help="make this contract the released one, and nothing else")
    parser.add_argument("--list", action="store_true", help="print the paths of the generated files")
    arguments = parser.parse_args()
    root = arguments.root
    if arguments.baseline:
        baseline.write(root, descriptors.compile_protos(root / "proto"))
        return 0
    begin = time.monotonic()
    layouts = [layout.project(root)]
    layouts += [of_tests for of_tests in (layout.fixture(root), layout.interop(root)) if of_tests.protos.exists()]
    try:
        with _server(root, arguments.no_sql) as server:
            outputs = [generate(where, server) for where in layouts]
    except GenerationError as error:
        print(f"generate: {error}", file=sys.stderr)
        return 1
    count = sum(len(out.files) for out in outputs)
    if arguments.list:
        for out in outputs:
            print("\n".join((out.root / path).relative_to(root).as_posix() for path in sorted(out.files)))
        return 0
    if arguments.check:
        differences = [d for out in outputs for d in out.differences()]
        if differences:
            print("\n".join(differences), file=sys.stderr)
            print(f"generate: {len(differences)} files are out of date: run scripts/generate and commit what it writes",
                  file=sys.stderr)
            return 1
        print(f"generate: {count} files are up to date ({time.monotonic() - begin:.1f} s)", file=sys.stderr)
        return 0
    changed = [path for out in outputs for path in out.write()]
    print(f"generate: {count} files, {len(changed)} written ({time.monotonic() - begin:.1f} s)", file=sys.stderr)
    return 0


def _server(root: Path, no_sql: bool):
    if no_sql:
        return nullcontext(None)
    from . import sql_database  # here, so that --no-sql needs no psycopg
    return sql_database.server(root)


if __name__ == "__main__":
    sys.exit(main())
