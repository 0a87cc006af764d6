"""How PostgreSQL types are bound, read and put into message fields."""

from dataclasses import dataclass

from .descriptors import F, Field


@dataclass(frozen=True)
class Type:
    name: str  # PostgreSQL's
    swift: str
    reader: str | None  # of Row; nil reads are optional + Reader capitalised
    label: str = ""  # of Parameters.add
    optional_reader: str | None = None


def _type(name, swift, reader, label="", optional=None):
    optional = optional or (f"optional{reader[:1].upper()}{reader[1:]}" if reader else None)
    return Type(name, swift, reader, label, optional)


TYPES: dict[int, Type] = {
    16: _type("boolean", "Bool", "bool"),
    17: _type("bytea", "[UInt8]", "bytes"),
    20: _type("bigint", "Int64", "int64"),
    21: _type("smallint", "Int16", "int16"),
    23: _type("integer", "Int32", "int32"),
    25: _type("text", "String", "text"),
    701: _type("double precision", "Double", "double"),
    1082: _type("date", "PostgresDate", "date"),
    1184: _type("timestamp with time zone", "Instant", "timestamp"),
    1700: _type("numeric", "String", "numeric", "numeric"),
    2950: _type("uuid", "UUID", "uuid", optional="optionalUUID"),
    3802: _type("jsonb", "String", "jsonb", "jsonb", optional="optionalJSONB"),
    1000: _type("boolean[]", "[Bool]", "bools"),
    1001: _type("bytea[]", "[[UInt8]]", None),
    1005: _type("smallint[]", "[Int16]", None),
    1007: _type("integer[]", "[Int32]", "int32s"),
    1009: _type("text[]", "[String]", "texts"),
    1016: _type("bigint[]", "[Int64]", "int64s"),
    1022: _type("double precision[]", "[Double]", "doubles"),
    1185: _type("timestamp with time zone[]", "[Instant]", None),
    2951: _type("uuid[]", "[UUID]", "uuids", optional="optionalUUIDs"),
    3807: _type("jsonb[]", "[String]", None, "jsonb"),
}

# What to write instead of a type that has no Swift form.
INSTEAD = {
    "character varying": "make the column text, or cast it: x::text",
    "character varying[]": "make the column text[], or cast it: x::text[]",
    "name": "cast it: x::text", "character": "cast it: x::text", '"char"': "cast it: x::text",
    "real": "make it double precision, or cast it", "json": "use jsonb",
    "timestamp without time zone": "use timestamptz", "interval": "select extract(epoch FROM x) or take seconds",
    "unknown": "say its type: @name::text", "vector": "cast it: x::text or @name::text::vector", "void": "use :exec with a CALL",
}


def advice(name: str) -> str:
    return INSTEAD.get(name, "cast it to a type with a Swift form, such as text, uuid, integer, bigint, timestamptz or jsonb")


def field_value(type_: Type, f: Field, index: int, nullable: bool) -> str | None:
    """The Swift expression that fills a message's field from a column; None when the two do not fit."""
    plain = f"try row.{type_.reader}({index})"
    optional = f"try row.{type_.optional_reader}({index})"

    def value(read: str, convert: str | None) -> str:
        """`convert` holds $ where the read value goes."""
        if not nullable:
            return convert.replace("$", read) if convert else read
        mapped = f"({optional}).map {{ {convert.replace('$', '$0')} }}" if convert else optional
        return mapped if f.optional or f.message else f"({mapped}) ?? {_default(f)}"

    if type_.reader is None or f.is_map or f.oneof:
        return None
    if f.repeated:
        return _list_value(type_, f, plain, optional, nullable)
    if f.message:
        if f.message.full_name == "google.protobuf.Timestamp" and type_.swift == "Instant":
            return value(plain, "Timestamp($)")
        return None
    if f.enum:
        return value(plain, f"{f.element}(rawValue: Int32($))") if type_.swift in ("Int16", "Int32") else None
    if f.element == "String":
        if type_.swift == "UUID":
            return value(f"{plain}.text" if not nullable else plain, "$.text" if nullable else None)
        return value(plain, None) if type_.swift == "String" else None
    wider = {"Int32": ("Int16",), "Int64": ("Int16", "Int32"), "UInt32": ("Int16", "Int32"), "UInt64": ("Int64",)}
    if f.element == type_.swift:
        return value(plain, None)
    if type_.swift in wider.get(f.element, ()):
        return value(plain, f"{f.element}(clamping: $)" if f.element.startswith("U") else f"{f.element}($)")
    if f.element == "Float" and type_.swift == "Double":
        return value(plain, "Float($)")
    return None


def _default(f: Field) -> str:
    return f.default if not f.default.startswith(".") else f"{f.element}{f.default}"


def _list_value(type_: Type, f: Field, plain: str, optional: str, nullable: bool) -> str | None:
    read = f"({optional} ?? [])" if nullable else plain
    if f.enum and type_.swift == "[Int32]":
        return f"({read}).map {{ {f.element}(rawValue: $0) }}"
    if f.message:
        return None
    if f.element == "String" and type_.swift == "[UUID]":
        return f"({read}).map(\\.text)"
    return read if type_.swift == f"[{f.element}]" else None
