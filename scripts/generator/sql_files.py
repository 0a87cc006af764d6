"""Reads the named queries of Sources/Core/*/SQL/*.sql."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from .output import GenerationError

HEADER = re.compile(r"^--\s*name:\s*(\S+)\s+:(one|many|exec)(?:\s+(\S+))?\s*$")
HINT = re.compile(r"^\s*--\s*(not null|nullable):\s*([\w, ]+?)\s*$")
# What a parameter cannot begin inside of: comments, strings, quoted names, dollar-quoted text.
TOKEN = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\3\$)"
    r"|(?P<parameter>(?<![<@~!|&#\w])@(?P<name>[a-z_]\w*)(?P<null>\?)?)|(?P<dollar>\$\d+)",
    re.S)


@dataclass
class Parameter:
    name: str
    nullable: bool


@dataclass
class Query:
    path: str  # relative to the root
    line: int
    name: str
    kind: str  # one, many, exec
    row: str | None
    comment: str
    sql: str  # with $1, $2, ... and without comments
    parameters: list[Parameter]
    not_null: set[str] = field(default_factory=set)
    nullable: set[str] = field(default_factory=set)

    def error(self, reason: str) -> GenerationError:
        return GenerationError(f"{self.path}:{self.line}: {self.name}: {reason}")


def read(root: Path, path: Path) -> list[Query]:
    """The queries of a file, in order."""
    relative = path.relative_to(root).as_posix()
    lines = path.read_text(encoding="utf-8").split("\n")
    starts = [i for i, line in enumerate(lines) if line.startswith("--") and "name:" in line.split(" ", 2)[1:2]]
    queries = []
    for position, start in enumerate(starts):
        match = HEADER.match(lines[start])
        if not match:
            raise GenerationError(f"{relative}:{start + 1}: write it as `-- name: SiteInsert :one Site`, with :one, :many or :exec")
        end = starts[position + 1] if position + 1 < len(starts) else len(lines)
        body = lines[start + 1:end]
        # The comment lines before the next name belong to the next query.
        while position + 1 < len(starts) and body and (body[-1].startswith("--") or not body[-1].strip()):
            body.pop()
        queries.append(_query(relative, start, match, _comment_above(lines, start), body))
    return queries


def _comment_above(lines: list[str], start: int) -> str:
    """The comment lines right above a name; the head comment of the file ends with an empty line."""
    above = []
    index = start - 1
    while index >= 0 and lines[index].startswith("--") and not HEADER.match(lines[index]):
        above.insert(0, lines[index][2:])
        index -= 1
    return "\n".join(above)


def _query(path: str, start: int, match: re.Match, comment: str, body: list[str]) -> Query:
    query = Query(path, start + 1, match[1], match[2], match[3], comment, "", [])
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", query.name):
        raise query.error("a query's name is UpperCamelCase, such as SiteInsert")
    if query.kind == "exec" and query.row:
        raise query.error(f":exec returns no rows, so leave {query.row} out or make it :one or :many")
    for line in body:
        if hint := HINT.match(line):
            columns = {c.strip() for c in hint[2].split(",") if c.strip()}
            (query.not_null if hint[1] == "not null" else query.nullable).update(columns)
    query.sql = _parameterised(query, "\n".join(body))
    if not query.sql:
        raise query.error("there is no SQL below the name")
    if ";" in re.sub(r"'(?:[^']|'')*'", "", query.sql):
        raise query.error("there is more than one command; give each its own name")
    return query


def _parameterised(query: Query, body: str) -> str:
    numbers: dict[str, int] = {}

    def replace(match: re.Match) -> str:
        if match["comment"]:
            return ""
        if match["quoted"]:
            return match[0]
        if match["dollar"]:
            raise query.error(f"{match[0]} is what the generator writes; name the parameter, such as @tenant_id")
        name = match["name"]
        if name not in numbers:
            numbers[name] = len(numbers) + 1
            query.parameters.append(Parameter(name, False))
        if match["null"]:
            query.parameters[numbers[name] - 1].nullable = True
        return f"${numbers[name]}"

    text = TOKEN.sub(replace, body)
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    return "\n".join(lines).strip().rstrip(";").rstrip()
