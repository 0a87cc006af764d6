"""The run: read, generate, write or compare."""

import argparse
import sys
import time
from pathlib import Path

from . import c_messages, descriptors, swift_messages, swift_services
from .output import GenerationError, Output


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/generate")
    parser.add_argument("--root", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything committed is out of date")
    parser.add_argument("--no-sql", action="store_true", help="leave the typed queries alone")
    parser.add_argument("--list", action="store_true", help="print the paths of the generated files")
    arguments = parser.parse_args()
    out = Output(arguments.root)
    begin = time.monotonic()
    try:
        api = descriptors.read(descriptors.compile_protos(arguments.root / "proto"))
        c = c_messages.generate(api, out)
        swift_messages.generate(api, c, out)
        swift_services.generate(api, out)
        if not arguments.no_sql:
            from . import sql_database, sql_swift  # here, so that --no-sql needs no psycopg
            with sql_database.migrated(arguments.root) as database:
                sql_swift.generate(api, database, arguments.root, out)
    except GenerationError as error:
        print(f"generate: {error}", file=sys.stderr)
        return 1
    if arguments.list:
        print("\n".join(sorted(out.files)))
        return 0
    if arguments.check:
        differences = out.differences()
        if differences:
            print("\n".join(differences), file=sys.stderr)
            print(f"generate: {len(differences)} files are out of date: run scripts/generate and commit what it writes",
                  file=sys.stderr)
            return 1
        print(f"generate: {len(out.files)} files are up to date ({time.monotonic() - begin:.1f} s)", file=sys.stderr)
        return 0
    changed = out.write()
    print(f"generate: {len(out.files)} files, {len(changed)} written ({time.monotonic() - begin:.1f} s)", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
