"""Swift values of messages and enums, with their way in and out of the C structs: Sources/TrellisAPI/Generated."""

from . import names, swift_rules
from .c_messages import CMessage
from .descriptors import API, SCALARS, Enum, F, Field, File, Message
from .layout import Layout
from .output import SWIFT_HEADER, Output


def generate(api: API, c: dict[str, CMessage], layout: Layout, out: Output) -> None:
    folder = layout.messages
    out.own(f"{folder}/*.swift")
    checked = swift_rules.checked_messages(api)
    packages: dict[str, list[File]] = {}
    for file in api.own_files():
        packages.setdefault(file.package, []).append(file)
    for package, files in sorted(packages.items()):
        imports = [f"internal import {layout.c_module}", "public import Protobuf"]
        if layout.provided:  # the fixture's C messages are made of types that our own C module lets through
            imports.insert(1, "internal import CTrellisAPI")
        if _needs_provided(api, files):
            imports.append("public import TrellisAPI")
        parts = [SWIFT_HEADER, "\n".join(imports) + "\n"]
        for file in files:
            for enum in file.enums:
                parts.append("\n" + _enum(enum, ""))
            for message in file.messages:
                parts.append("\n" + _message(message, ""))
            for message in api.all_messages(file):
                parts.append("\n" + _conversions(message, c[message.full_name]))
                if message.full_name in checked:
                    parts.append("\n" + swift_rules.validation(message, checked))
        if len(parts) > 2:
            out.add(f"{folder}/{names.swift_file(package)}.swift", "".join(parts))


def _needs_provided(api: API, files: list[File]) -> bool:
    """Whether a field has a type of a provided file."""
    provided = {f.path for f in api.files if f.is_provided}
    return any((f.message or f.enum) and (f.message or f.enum).file in provided
               for file in files for m in api.all_messages(file) for f in m.fields)


# --- declarations ---


def _message(message: Message, indent: str) -> str:
    inner = indent + "    "
    text = names.doc_comment(message.comment or f" An entry of a map.", indent)
    text += f"{indent}public struct {message.short}: GeneratedMessage {{\n"
    for f in message.fields:
        if not f.oneof:
            text += names.doc_comment(f.comment or f" The {f.name}.", inner)
            text += f"{inner}public var {names.escaped(f.swift)}: {f.swift_type} = {f.default}\n"
    for oneof, comment in message.oneofs.items():
        text += names.doc_comment(comment or f" Which of the {oneof} is set, if any.", inner)
        text += f"{inner}public var {names.escaped(names.camel(oneof))}: {_oneof_type(oneof)}? = nil\n"
    text += f"\n{inner}/// A message with every field at its default.\n{inner}public init() {{}}\n"
    text += _memberwise(message, inner)
    for oneof, comment in message.oneofs.items():
        text += "\n" + names.doc_comment(comment or f" The cases of {oneof}.", inner)
        text += f"{inner}public enum {_oneof_type(oneof)}: Sendable, Equatable {{\n"
        for f in message.fields:
            if f.oneof == oneof:
                text += names.doc_comment(f.comment or f" {f.name}.", inner + "    ")
                text += f"{inner}    case {names.escaped(f.swift)}({f.element})\n"
        text += f"{inner}}}\n"
    for enum in message.enums:
        text += "\n" + _enum(enum, inner)
    for nested in message.nested:
        text += "\n" + _message(nested, inner)
    return text + f"{indent}}}\n"


def _oneof_type(oneof: str) -> str:
    return names.pascal(oneof) + "Choice"


def _memberwise(message: Message, indent: str) -> str:
    members = [(f.swift, f.swift_type, f.default) for f in message.fields if not f.oneof]
    members += [(names.camel(o), f"{_oneof_type(o)}?", "nil") for o in message.oneofs]
    if not members:
        return ""
    text = f"\n{indent}/// A message of the given fields.\n{indent}public init(\n"
    text += ",\n".join(f"{indent}    {names.escaped(n)}: {t} = {d}" for n, t, d in members)
    text += f"\n{indent}) {{\n"
    text += "".join(f"{indent}    self.{names.escaped(n)} = {names.escaped(n)}\n" for n, _, _ in members)
    return text + f"{indent}}}\n"


def _enum(enum: Enum, indent: str) -> str:
    inner = indent + "    "
    name = enum.swift.rsplit(".", 1)[-1]
    text = names.doc_comment(enum.comment or f" The values of {enum.full_name}.", indent)
    text += f"{indent}public enum {name}: GeneratedEnum {{\n"
    for v in enum.values:
        text += names.doc_comment(v.comment or f" {v.name}.", inner)
        text += f"{inner}case {names.escaped(v.case)}\n"
    text += f"{inner}/// A number that this version has no name for.\n{inner}case unrecognized(Int32)\n\n"
    text += f"{inner}/// The value of that number.\n{inner}public init(rawValue: Int32) {{\n{inner}    switch rawValue {{\n"
    text += "".join(f"{inner}    case {v.number}: self = .{v.case}\n" for v in enum.values)
    text += f"{inner}    default: self = .unrecognized(rawValue)\n{inner}    }}\n{inner}}}\n\n"
    text += f"{inner}/// The number on the wire.\n{inner}public var rawValue: Int32 {{\n{inner}    switch self {{\n"
    text += "".join(f"{inner}    case .{v.case}: {v.number}\n" for v in enum.values)
    text += f"{inner}    case .unrecognized(let number): number\n{inner}    }}\n{inner}}}\n\n"
    text += f"{inner}/// The name in the proto file; nil for a number that has none.\n"
    text += f"{inner}public var protoName: String? {{\n{inner}    switch self {{\n"
    text += "".join(f'{inner}    case .{v.case}: "{v.name}"\n' for v in enum.values)
    text += f"{inner}    case .unrecognized: nil\n{inner}    }}\n{inner}}}\n\n"
    text += f"{inner}/// The named values, in the order of the proto file.\n"
    text += f"{inner}public static let knownCases: [Self] = [{', '.join('.' + v.case for v in enum.values)}]\n"
    return text + f"{indent}}}\n"


# --- conversions ---


def _conversions(message: Message, c: CMessage) -> str:
    text = f"extension {message.swift} {{\n"
    text += f'    public static var fullName: String {{ "{message.full_name}" }}\n\n'
    text += f"    public static var descriptor: UnsafeRawPointer {{ {c.descriptor}_address() }}\n\n"
    if not message.fields:
        text += "    public init(c raw: UnsafeRawPointer) {}\n\n"
        return text + "    public func fill(_ raw: UnsafeMutableRawPointer, _ arena: Arena) {}\n}\n"
    text += "    public init(c raw: UnsafeRawPointer) {\n"
    text += f"        let c = raw.assumingMemoryBound(to: {c.struct}.self)\n"
    text += "".join(_reading(f, c) for f in message.fields if not f.oneof)
    for oneof in message.oneofs:
        text += _oneof_reading(message, oneof, c)
    text += "    }\n\n    public func fill(_ raw: UnsafeMutableRawPointer, _ arena: Arena) {\n"
    text += f"        let c = raw.assumingMemoryBound(to: {c.struct}.self)\n"
    text += "".join(_writing(f, c) for f in message.fields if not f.oneof)
    for oneof in message.oneofs:
        text += _oneof_writing(message, oneof, c)
    return text + "    }\n}\n"


def _read_one(f: Field, member: str) -> str:
    """The Swift value of a C member that holds one value."""
    m = f"c.pointee.{member}"
    if f.message:
        return f"CReading.message({m})"
    if f.enum:
        return f"CReading.value({m})"
    if f.type == F.TYPE_STRING:
        return f"CReading.text({m})"
    if f.type == F.TYPE_BYTES:
        return f"CReading.bytes({m}.len, {m}.data)"
    return f"{m} != 0" if f.type == F.TYPE_BOOL else m


def _reading(f: Field, c: CMessage) -> str:
    place = c.fields[f.number]
    target = f"self.{names.escaped(f.swift)}"
    if f.repeated:
        m, n = f"c.pointee.{place.member}", f"c.pointee.{place.quantifier}"
        if f.is_map:
            value = f.message.fields[1]
            entry = f"CReading.messages({n}, {m}) as [{f.message.swift}]"
            unwrap = "($0.key, $0.value ?? .init())" if value.message else "($0.key, $0.value)"
            return (f"        {target} = Dictionary(({entry}).map {{ {unwrap} }}, uniquingKeysWith: {{ $1 }})\n")
        kind = ("messages" if f.message else "values" if f.enum else "texts" if f.type == F.TYPE_STRING
                else "flags" if f.type == F.TYPE_BOOL else "byteStrings" if f.type == F.TYPE_BYTES else "numbers")
        if kind == "byteStrings":
            return (f"        {target} = UnsafeBufferPointer(start: {m}, count: {n}).map {{ CReading.bytes($0.len, $0.data) }}\n")
        return f"        {target} = CReading.{kind}({n}, {m})\n"
    if f.optional:
        return (f"        if c.pointee.{place.quantifier}.rawValue == {f.number} {{"
                f" {target} = {_read_one(f, place.member)} }}\n")
    return f"        {target} = {_read_one(f, place.member)}\n"


def _oneof_reading(message: Message, oneof: str, c: CMessage) -> str:
    fields = [f for f in message.fields if f.oneof == oneof]
    text = f"        switch c.pointee.{c.fields[fields[0].number].quantifier}.rawValue {{\n"
    for f in fields:
        value = _read_one(f, c.fields[f.number].member)
        if f.message:
            value = f"{value} ?? {f.element}()"
        text += f"        case {f.number}: {names.camel(oneof)} = .{f.swift}({value})\n"
    return text + "        default: break\n        }\n"


def _write_one(f: Field, member: str, value: str) -> str:
    """Statements that set a C member to one Swift value."""
    m = f"c.pointee.{member}"
    if f.message:
        return f"{m} = arena.message({value})"
    if f.enum:
        number = f"{value}.rawValue"
        return f"{m} = .init({number if f.enum.has_negative else f'UInt32(bitPattern: {number})'})"
    if f.type == F.TYPE_STRING:
        return f"{m} = arena.text({value})"
    if f.type == F.TYPE_BYTES:
        return f"({m}.len, {m}.data) = arena.bytes({value})"
    return f"{m} = {value} ? 1 : 0" if f.type == F.TYPE_BOOL else f"{m} = {value}"


def _writing(f: Field, c: CMessage) -> str:
    place = c.fields[f.number]
    value = names.escaped(f.swift) if f.swift not in ("c", "raw", "arena") else f"self.{f.swift}"
    m = f"c.pointee.{place.member}"
    if f.repeated:
        n = f"c.pointee.{place.quantifier}"
        if f.is_map:
            entries = (f"{value}.sorted {{ $0.key < $1.key }}.map {{ {f.message.swift}(key: $0.key, value: $0.value) }}")
            return f"        ({n}, {m}) = arena.messages({entries})\n"
        kind = ("messages" if f.message else "values" if f.enum else "texts" if f.type == F.TYPE_STRING
                else "flags" if f.type == F.TYPE_BOOL else "byteStrings" if f.type == F.TYPE_BYTES else "numbers")
        if kind == "byteStrings":
            return (f"        ({n}, {m}) = arena.records({value}) {{ bytes in\n"
                    f"            let (count, data) = arena.bytes(bytes)\n"
                    f"            return ProtobufCBinaryData(len: count, data: data)\n        }}\n")
        return f"        ({n}, {m}) = arena.{kind}({value})\n"
    if f.optional:
        return (f"        if let value = {value} {{\n            c.pointee.{place.quantifier} = .init({f.number})\n"
                f"            {_write_one(f, place.member, 'value')}\n        }}\n")
    if f.type == F.TYPE_STRING:
        return f"        if !{value}.isEmpty {{ {_write_one(f, place.member, value)} }}\n"
    return f"        {_write_one(f, place.member, value)}\n"


def _oneof_writing(message: Message, oneof: str, c: CMessage) -> str:
    fields = [f for f in message.fields if f.oneof == oneof]
    text = f"        switch {names.camel(oneof)} {{\n"
    for f in fields:
        place = c.fields[f.number]
        text += (f"        case .{f.swift}(let value)?:\n            c.pointee.{place.quantifier} = .init({f.number})\n"
                 f"            {_write_one(f, place.member, 'value')}\n")
    return text + "        case nil: break\n        }\n"
