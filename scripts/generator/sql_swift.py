"""Typed Swift of the named queries: a statement each, and the rows that no message of the API describes."""

import re
from dataclasses import dataclass
from pathlib import Path

from . import names, sql_files, sql_types
from .descriptors import API, Field, Message
from .layout import Layout
from .output import SWIFT_HEADER, GenerationError, Output
from .sql_database import Column, Database, Description
from .sql_files import Query

@dataclass
class RowColumn:
    column: Column
    type: sql_types.Type
    nullable: bool

    @property
    def swift(self) -> str:
        return names.camel(self.column.name)

    @property
    def swift_type(self) -> str:
        return self.type.swift + ("?" if self.nullable else "")


def generate(api: API, database: Database, layout: Layout, out: Output) -> None:
    root = layout.root
    out.own(f"{layout.core}/*/Generated/*Queries.swift")
    seen: dict[str, Query] = {}
    for area in sorted({p.parent.parent for p in root.glob(f"{layout.core}/*/SQL/*.sql")}):
        rows: dict[str, tuple[Query, list]] = {}  # generated row structs of the area, by name
        for path in sorted((area / "SQL").glob("*.sql")):
            queries = sql_files.read(root, path)
            for query in queries:
                if query.name in seen:
                    raise query.error(f"{seen[query.name].path}:{seen[query.name].line} has the name already")
                seen[query.name] = query
            text = _File(api, database, rows, layout).text(queries)
            relative = area.relative_to(root).as_posix()
            if queries:
                out.add(f"{relative}/Generated/{names.pascal(path.stem)}Queries.swift", text)


class _File:
    """The Swift of one SQL file."""

    def __init__(self, api: API, database: Database, rows: dict, layout: Layout):
        self.api, self.database, self.rows, self.layout = api, database, rows, layout
        self.structs: list[str] = []
        self.readers: dict[tuple, str] = {}  # what reads a row -> the function's name
        self.functions: list[str] = []

    def text(self, queries: list[Query]) -> str:
        statements = [self._statement(q) for q in queries]
        body = "\n".join(self.structs + statements + self.functions)
        imports = ["package import Postgres"]
        if re.search(r"\b(UUID|Instant)\b", body):
            imports.append("package import Primitives")
        if re.search(r"try row\.uuid\w*\(\d+\)\.text|\.text \}|map\(\\\.text\)", body) and len(imports) == 1:
            imports.append("internal import Primitives")
        if self._uses_messages:
            imports.append("package import TrellisAPI" if self.layout.module == "TrellisAPI" else "internal import TrellisAPI")
        return SWIFT_HEADER + "\n".join(imports) + "\n\n" + body

    _uses_messages = False

    def _statement(self, query: Query) -> str:
        description = self.database.describe(query)
        parameters = self._parameters(query, description)
        output, decode = self._output(query, description)
        text = names.doc_comment(query.comment or f" `{query.name}` of {query.path.rsplit('/', 1)[-1]}.")
        text += f"package struct {query.name}: Statement {{\n"
        text += f'    package static let name = "{query.name}"\n\n'
        text += f'    package static let sql = """\n{_indented(query.sql)}\n        """\n\n'
        if self.database.is_read_only(query):
            text += "    package static let isReadOnly = true\n\n"
        for name, type_, nullable in parameters:
            text += f"    package var {names.escaped(name)}: {type_.swift}{'?' if nullable else ''}\n"
        if parameters:
            text += "\n    package init(\n        "
            text += ", ".join(
                f"{names.escaped(n)}: {t.swift}{'? = nil' if null else ''}" for n, t, null in parameters)
            text += "\n    ) {\n"
            text += "".join(f"        self.{names.escaped(n)} = {names.escaped(n)}\n" for n, _, _ in parameters)
            text += "    }\n\n"
        else:
            text += "    package init() {}\n\n"
        text += "    package func bind(_ parameters: inout Parameters) {"
        adds = [f"parameters.add({t.label + ': ' if t.label else ''}{'self.' if n == 'parameters' else ''}{names.escaped(n)})"
                for n, t, _ in parameters]
        text += "\n" + "".join(f"        {a}\n" for a in adds) + "    }\n\n" if adds else "}\n\n"
        text += ("    package static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> "
                 f"{output} {{\n        {decode}\n    }}\n}}\n")
        return text

    def _parameters(self, query: Query, description: Description):
        found = []
        for parameter, oid in zip(query.parameters, description.parameters):
            name = self.database.types.get(oid, str(oid))
            type_ = sql_types.TYPES.get(oid)
            if type_ is None:
                raise query.error(f"@{parameter.name} is {name}, which has no Swift form; {sql_types.advice(name)}")
            found.append((names.camel(parameter.name), type_, parameter.nullable))
        taken = {"name", "sql"} & {n for n, _, _ in found}
        if taken:
            raise query.error(f"a parameter cannot be @{taken.pop()}, which statements have already; use another name,"
                              " such as @display_name")
        return found

    def _output(self, query: Query, description: Description) -> tuple[str, str]:
        """The statement's Output and the expression that makes it."""
        if query.kind == "exec":
            if description.columns:
                raise query.error(":exec throws rows away, but it returns some; make it :one or :many")
            return "Int", "result.rowsAffected"
        if not description.columns:
            raise query.error(f":{query.kind} wants rows, but it returns none; add RETURNING or make it :exec")
        columns = self._columns(query, description)
        message = self._message(query)
        if message:
            type_ = message.swift
            reader = self._message_reader(query, message, columns)
        else:
            type_ = query.row or f"{query.name}Row"
            reader = self._struct_reader(query, type_, columns)
        return (f"{type_}?", f"try result.first({reader})") if query.kind == "one" else (
            f"[{type_}]", f"try result.rows({reader})")

    def _message(self, query: Query) -> Message | None:
        if not query.row:
            return None
        message = self.api.messages.get(query.row) or self.api.by_swift_name(query.row)
        if message is None and not re.fullmatch(r"[A-Z][A-Za-z0-9]*", query.row):
            raise query.error(f"{query.row} is neither a message of the API nor an UpperCamelCase name for a new struct")
        return message

    def _columns(self, query: Query, description: Description) -> list[RowColumn]:
        result, seen = [], set()
        outer = self._outer_tables(query)
        for column in description.columns:
            name = self.database.types.get(column.type, str(column.type))
            type_ = sql_types.TYPES.get(column.type)
            if column.name in seen or column.name == "?column?":
                raise query.error(f"the column {column.name} needs a name of its own; write AS after it")
            seen.add(column.name)
            if type_ is None or type_.reader is None:
                raise query.error(f"the column {column.name} is {name}, which has no Swift form; {sql_types.advice(name)}")
            # An expression is taken to be never null: a null one is an error when it is read, never a wrong value.
            nullable = False
            if column.table:
                table = self.database.tables.get(column.table, "")
                nullable = not self.database.not_null.get((column.table, column.number), False)
                nullable = nullable or "*" in outer or table in outer
            nullable = (nullable or column.name in query.nullable) and column.name not in query.not_null
            result.append(RowColumn(column, type_, nullable))
        unknown = (query.nullable | query.not_null) - seen
        if unknown:
            raise query.error(f"a hint names {', '.join(sorted(unknown))}, but there is no such column")
        return result

    @staticmethod
    def _outer_tables(query: Query) -> set[str]:
        """Tables whose columns an outer join can make null; "*" for all of them."""
        if re.search(r"\b(RIGHT|FULL)\s+(OUTER\s+)?JOIN\b", query.sql, re.I):
            return {"*"}
        joins = re.findall(r"\bLEFT\s+(?:OUTER\s+)?JOIN\s+(LATERAL\b|\()?\s*([\w.]*)", query.sql, re.I)
        if any(lateral or not table for lateral, table in joins):
            return {"*"}
        return {table.rsplit(".", 1)[-1] for _, table in joins}

    # --- rows ---

    def _message_reader(self, query: Query, message: Message, columns: list[RowColumn]) -> str:
        values: dict[str, str] = {}
        inner: dict[str, dict[str, str]] = {}  # of submessages, whose fields stand in columns of their own
        for index, c in enumerate(columns):
            outer, field = _find_field(message, c.column.name)
            if field is None:
                known = ", ".join(f.name for f in message.fields)
                raise query.error(f"{message.full_name} has no field {c.column.name}; name the column as one of: {known}")
            # An expression that fills a plain field may be null: the field then has its default.
            nullable = c.nullable or (not c.column.table and c.column.name not in query.not_null)
            value = sql_types.field_value(c.type, field, index, nullable)
            if value is None:
                raise query.error(
                    f"the column {c.column.name} is {c.type.name}, which does not fit {field.swift_type} of"
                    f" {message.full_name}.{outer.name + '.' if outer else ''}{field.name}; cast it or change the field")
            (inner.setdefault(outer.name, {}) if outer else values)[field.name] = value
        for outer in message.fields:
            if outer.name in inner:
                parts = inner[outer.name]
                joined = ", ".join(
                    f"{names.escaped(f.swift)}: {parts[f.name]}" for f in outer.message.fields if f.name in parts)
                values[outer.name] = f"{outer.element}({joined})"
        self._uses_messages = True
        arguments = [f"{names.escaped(f.swift)}: {values[f.name]}" for f in message.fields if f.name in values]
        return self._reader(message.swift, tuple(arguments))

    def _struct_reader(self, query: Query, name: str, columns: list[RowColumn]) -> str:
        shape = [(c.swift, c.swift_type) for c in columns]
        if name in self.rows:
            other, known = self.rows[name]
            if sorted(known) != sorted(shape):
                difference = sorted(set(map(tuple, known)) ^ set(shape))
                raise query.error(
                    f"its columns differ from those of {other.name}, which makes {name} too:"
                    f" {', '.join(f'{n} ({t})' for n, t in difference)}; select the same, or name another row")
        else:
            self.rows[name] = (query, shape)
            self.structs.append(_struct(query, name, shape))
        order = [n for n, _ in self.rows[name][1]]
        reads = {}
        for index, c in enumerate(columns):
            reads[c.swift] = f"try row.{c.type.optional_reader if c.nullable else c.type.reader}({index})"
        return self._reader(name, tuple(f"{names.escaped(n)}: {reads[n]}" for n in order))

    def _reader(self, type_: str, arguments: tuple) -> str:
        """The name of the function that reads such a row; rows read alike share one."""
        key = (type_, arguments)
        if key not in self.readers:
            base = type_.replace(".", "")
            count = sum(1 for k in self.readers if k[0] == type_)
            function = f"read{base}{count + 1 if count else ''}"
            self.readers[key] = function
            joined = ",\n        ".join(arguments)
            self.functions.append(
                f"private func {function}(_ row: Row) throws(PostgresError) -> {type_} {{\n    {type_}(\n        {joined})\n}}\n")
        return self.readers[key]


def _find_field(message: Message, column: str) -> tuple[Field | None, Field | None]:
    """The field of a column; for `range_start`, when there is only a `range`, the field `start` inside it."""
    for f in message.fields:
        if f.name == column:
            return None, f
    for outer in message.fields:
        if outer.message and not outer.repeated and column.startswith(outer.name + "_"):
            for f in outer.message.fields:
                if f"{outer.name}_{f.name}" == column:
                    return outer, f
    return None, None


def _struct(query: Query, name: str, shape: list) -> str:
    text = f"/// A row of `{query.name}`.\npackage struct {name}: Sendable, Equatable {{\n"
    text += "".join(f"    package var {names.escaped(n)}: {t}\n" for n, t in shape)
    text += "\n    package init(" + ", ".join(
        f"{names.escaped(n)}: {t}{' = nil' if t.endswith('?') else ''}" for n, t in shape) + ") {\n"
    text += "".join(f"        self.{names.escaped(n)} = {names.escaped(n)}\n" for n, _ in shape)
    return text + "    }\n}\n"


def _indented(sql: str) -> str:
    if "\\" in sql or '"""' in sql:
        raise GenerationError(f"a query holds a backslash, which Swift would read as an escape: {sql[:60]}")
    return "\n".join(f"        {line}" for line in sql.split("\n"))
