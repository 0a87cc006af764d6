"""A freshly migrated database to prepare the queries on: a private cluster for the run, or one on a server named by
TRELLIS_GENERATE_DATABASE_URL."""

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import pq

from .layout import Layout
from .output import GenerationError
from .sql_files import Query

NOBODY = 65534


@dataclass
class Column:
    name: str
    type: int
    table: int  # 0 when the column is an expression
    number: int


@dataclass
class Description:
    parameters: list[int]
    columns: list[Column]


class Database:
    """A connection to the migrated database, which describes queries without running them."""

    def __init__(self, connection: psycopg.Connection):
        self.connection = connection
        self.connection.execute("SET search_path = trellis, public")  # as the server's own connections have it
        self.types = dict(connection.execute("SELECT oid::int8, format_type(oid, NULL) FROM pg_type").fetchall())
        rows = connection.execute(
            "SELECT attrelid::int8, attnum, attnotnull, relname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
            " WHERE attnum > 0 AND relkind IN ('r', 'p', 'v', 'm')").fetchall()
        self.not_null = {(table, number): not_null for table, number, not_null, _ in rows}
        self.tables = {table: name for table, _, _, name in rows}

    def describe(self, query: Query) -> Description:
        connection = self.connection.pgconn
        name = query.name.encode()
        result = connection.prepare(name, query.sql.encode())
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise query.error(f"PostgreSQL refuses it: {_reason(result, query)}")
        result = connection.describe_prepared(name)
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise query.error(f"PostgreSQL cannot describe it: {_reason(result, query)}")
        return Description(
            [result.param_type(i) for i in range(result.nparams)],
            [Column(result.fname(i).decode(), result.ftype(i), result.ftable(i), result.ftablecol(i))
             for i in range(result.nfields)])

    def is_read_only(self, query: Query) -> bool:
        """Whether a query is a plain SELECT that locks no row and calls nothing volatile."""
        sql = re.sub(r"--[^\n]*|'(?:[^']|'')*'", " ", query.sql)
        if not re.match(r"\s*SELECT\b", sql, re.I) or re.search(r"\bFOR\s+(NO\s+KEY|KEY|UPDATE|SHARE)\b|\bINTO\b", sql, re.I):
            return False
        called = [name.lower() for name in re.findall(r"\b(\w+)\s*\(", sql)]
        volatile = self.connection.execute(
            "SELECT count(*) FROM pg_proc WHERE proname = ANY (%s) AND provolatile = 'v'", [called]).fetchone()[0]
        return volatile == 0


def _reason(result, query: Query) -> str:
    text = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
    hint = result.error_field(pq.DiagnosticField.MESSAGE_HINT)
    position = result.error_field(pq.DiagnosticField.STATEMENT_POSITION)
    if position:
        before = query.sql[:int(position) - 1]
        rest = query.sql[int(position) - 1:].split("\n")[0]
        text += f", at `{rest[:60]}` in line {before.count(chr(10)) + 1} of the query"
    return text + (f" ({hint.decode()})" if hint else "")


@contextmanager
def server(root: Path):
    """A function that makes a `Database` with a layout's migrations; the server is gone after the block."""
    url = os.environ.get("TRELLIS_GENERATE_DATABASE_URL")
    with (nullcontext(url) if url else _private_cluster(root)) as address:
        yield lambda layout: _migrated(address, layout)


@contextmanager
def _migrated(address: str, layout: Layout):
    """A database of its own, dropped after the block."""
    name = f"trellis_generate_{os.getpid()}"
    with psycopg.connect(address, autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name}")
        try:
            own_address = psycopg.conninfo.make_conninfo(address, dbname=name)
            with psycopg.connect(own_address, autocommit=True) as connection:
                _migrate(layout, connection)
            with psycopg.connect(own_address, autocommit=True) as connection:
                yield Database(connection)
        finally:
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _migrate(layout: Layout, connection: psycopg.Connection) -> None:
    root, schema = layout.root, layout.root / layout.core / "Schema"
    bootstrap = schema / "Bootstrap/roles.sql"
    if bootstrap.exists():
        connection.execute(bootstrap.read_text(encoding="utf-8").encode())
    for path in sorted((schema / "Migrations").glob("[0-9]*.sql")):
        try:
            with connection.transaction():
                if bootstrap.exists():
                    connection.execute("SET LOCAL ROLE trellis_owner")
                    connection.execute("SET LOCAL search_path = trellis, public")
                connection.execute(path.read_text(encoding="utf-8").encode())
        except psycopg.Error as error:
            position = error.diag.statement_position
            line = path.read_text(encoding="utf-8")[:int(position)].count("\n") + 1 if position else 1
            raise GenerationError(
                f"{path.relative_to(root)}:{line}: the migration fails: {error.diag.message_primary or error}") from error


@contextmanager
def _private_cluster(root: Path):
    """A cluster in a temporary folder, on a Unix socket, run by nobody when we are root: PostgreSQL refuses root."""
    programs = _programs(root)
    folder = Path(tempfile.mkdtemp(prefix="trellis-generate-"))
    prefix: list[str] = []
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    def run(program: str, *arguments: str) -> None:
        result = subprocess.run([*prefix, str(programs / program), *arguments], cwd=folder, capture_output=True,
                                text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)})
        if result.returncode != 0:
            raise GenerationError(f"{program} failed: {result.stderr.strip() or result.stdout.strip()}")

    try:
        run("initdb", "--pgdata", f"{folder}/data", "--username=postgres", "--auth=trust", "--no-sync",
            "--encoding=UTF8", "--locale=C")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off -c autovacuum=off"
        run("pg_ctl", "start", "--wait", "--silent", "--pgdata", f"{folder}/data", "--log", f"{folder}/log", "-o", options)
        try:
            yield f"host={folder} user=postgres dbname=postgres"
        finally:
            run("pg_ctl", "stop", "--mode=immediate", "--silent", "--pgdata", f"{folder}/data")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(root: Path) -> Path:
    where = subprocess.run([str(root / "scripts/fetch-postgres"), "--where"], capture_output=True, text=True)
    places = [Path("/opt/trellis/postgres"), Path(where.stdout.strip() or "/opt/trellis/postgres")]
    for place in places:
        if (place / "18/bin/initdb").exists():
            return place / "18/bin"
    raise GenerationError(f"no PostgreSQL 18 in {places[-1]}: run scripts/fetch-postgres, or set TRELLIS_GENERATE_DATABASE_URL")
