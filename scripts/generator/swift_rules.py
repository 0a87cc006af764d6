"""Checks of field rules: the `validate` of every message that a request of ours can hold."""

from . import names
from .descriptors import API, F, Field, Message
from .output import GenerationError

FORMATS = {1: "uuid", 2: "slug", 3: "email", 4: "language", 5: "timezone", 6: "jsonObject", 7: "code", 8: "requestID"}
# Checked by hand-written code in Sources/TrellisAPI/WellKnown.swift: their ranges are rules of the types themselves.
WELL_KNOWN = {"google.protobuf.Timestamp", "google.protobuf.Duration"}
FLOATING = (F.TYPE_DOUBLE, F.TYPE_FLOAT)
INTEGERS = {
    F.TYPE_INT64, F.TYPE_UINT64, F.TYPE_INT32, F.TYPE_FIXED64, F.TYPE_FIXED32, F.TYPE_UINT32, F.TYPE_SFIXED32,
    F.TYPE_SFIXED64, F.TYPE_SINT32, F.TYPE_SINT64,
}


def checked_messages(api: API) -> set[str]:
    """The full names of messages that get a `validate`: what a request holds, down to where there is nothing to check."""
    reachable: dict[str, Message] = {}

    def reach(message: Message) -> None:
        if message.full_name not in reachable:
            reachable[message.full_name] = message
            for f in message.fields:
                if f.message:
                    reach(f.message)

    for file in api.files:
        if file.is_ours and not file.is_provided:
            for service in file.services:
                for method in service.methods:
                    reach(method.input)
            for message in api.all_messages(file):
                for f in message.fields:
                    if f.rules is not None:
                        _check_rules(message, f)
    checked = set(WELL_KNOWN)
    grew = True
    while grew:
        grew = False
        for name, message in reachable.items():
            if name not in checked and any(_checks(f, checked) for f in message.fields):
                checked.add(name)
                grew = True
    # A request always conforms, so that the server treats all alike.
    for file in api.files:
        if file.is_ours and not file.is_provided:
            checked.update(m.input.full_name for s in file.services for m in s.methods
                           if m.input.full_name.startswith("trellis."))
    return checked - WELL_KNOWN | (WELL_KNOWN & set(api.messages))


def validation(message: Message, checked: set[str]) -> str:
    if message.full_name in WELL_KNOWN:
        return ""
    text = f"extension {message.swift}: ValidatedMessage {{\n    public func validate(_ check: inout FieldChecker) {{\n"
    text += "".join(line for f in message.fields if not f.oneof for line in _checks(f, checked))
    for oneof in message.oneofs:
        text += _oneof(message, oneof, checked)
    return text + "    }\n}\n"


def _check_rules(message: Message, f: Field) -> None:
    """Refuses rules that mean nothing for the field's type."""
    r, where = f.rules, f"{message.file}: {message.full_name}.{f.name}"
    is_text = f.type in (F.TYPE_STRING, F.TYPE_BYTES)
    if (r.min_length or r.max_length) and not is_text:
        raise GenerationError(f"{where} has a length rule, but is neither string nor bytes; use minimum and maximum")
    if (r.min_items or r.max_items) and not f.repeated:
        raise GenerationError(f"{where} has a rule for the number of items, but is no list")
    is_number = f.type in INTEGERS or f.type in FLOATING
    if (r.HasField("minimum") or r.HasField("maximum")) and (not is_number or f.repeated):
        raise GenerationError(f"{where} has minimum or maximum, but is no single number")
    if r.format and f.type != F.TYPE_STRING:
        raise GenerationError(f"{where} has a format, but is no string")
    if r.max_length and r.min_length > r.max_length:
        raise GenerationError(f"{where} has a min_length over its max_length")
    if r.required and f.type in INTEGERS and not f.optional and not f.repeated and not f.message:
        raise GenerationError(f"{where} is required, but a number without `optional` cannot be absent; use minimum: 1")


def _text_arguments(f: Field) -> str:
    r = f.rules
    if r is None:
        return ""
    parts = []
    if r.required and not f.repeated:
        parts.append("required: true")
    if r.min_length:
        parts.append(f"minimum: {r.min_length}")
    if r.max_length:
        parts.append(f"maximum: {r.max_length}")
    if r.format:
        parts.append(f"format: .{FORMATS[r.format]}")
    if r.secret and f.type == F.TYPE_STRING:
        parts.append("secret: true")
    return "".join(", " + p for p in parts)


def _checks(f: Field, checked: set[str]) -> list[str]:
    """The statements that check a field; none when nothing can be wrong with it."""
    r = f.rules
    if r is not None and r.output_only:
        return []
    name, value = f'"{f.name}"', names.escaped(f.swift) if f.swift != "check" else "self.check"
    lines = []
    required = r is not None and r.required
    if f.repeated:
        if r is not None and (required or r.min_items or r.max_items):
            arguments = (", required: true" if required else "") + (f", minimum: {r.min_items}" if r.min_items else "")
            arguments += f", maximum: {r.max_items}" if r.max_items else ""
            lines.append(f"check.count({name}, {value}.count{arguments})")
        if f.message and not f.is_map and f.message.full_name in checked:
            lines.append(f"check.messages({name}, {value})")
        elif f.enum:
            lines.append(f"check.values({name}, {value})")
        elif f.type == F.TYPE_STRING and (r is not None and (r.min_length or r.max_length or r.format)):
            lines.append(f"check.texts({name}, {value}{_text_arguments(f)})")
    elif f.message:
        if required:
            lines.append(f"check.set({name}, {value} != nil)")
        if f.message.full_name in checked:
            lines.append(f"check.message({name}, {value})")
    elif f.enum:
        lines.append(f"check.value({name}, {value}{', required: true' if required else ''})")
    elif r is not None:
        lines += _scalar(f, name, value)
    return [f"        {line}\n" for line in lines]


def _scalar(f: Field, name: str, value: str) -> list[str]:
    r = f.rules
    if f.type == F.TYPE_STRING:
        arguments = _text_arguments(f)
        if not arguments or arguments == ", secret: true":
            return []
        return [f"check.text({name}, {'optional: ' if f.optional else ''}{value}{arguments})"]
    if f.type == F.TYPE_BYTES:
        arguments = _text_arguments(f)
        return [f"check.bytes({name}, {value}{arguments})"] if arguments else []
    arguments = ", required: true" if r.required and f.optional else ""
    arguments += f", minimum: {r.minimum}" if r.HasField("minimum") else ""
    arguments += f", maximum: {r.maximum}" if r.HasField("maximum") else ""
    if not arguments or f.type == F.TYPE_BOOL:
        return [f"check.set({name}, {value} != nil)"] if r.required and f.optional else []
    if f.type in FLOATING:
        converted = f"{value}.map(Double.init)" if f.optional and f.type == F.TYPE_FLOAT else (
            f"Double({value})" if f.type == F.TYPE_FLOAT else value)
        return [f"check.number({name}, floating: {converted}{arguments})"]
    return [f"check.number({name}, {value}{arguments})"]


def _oneof(message: Message, oneof: str, checked: set[str]) -> str:
    fields = [f for f in message.fields if f.oneof == oneof]
    cases = []
    for f in fields:
        r = f.rules
        if f.message and f.message.full_name in checked:
            cases.append((f, f'check.message("{f.name}", value)'))
        elif f.enum:
            cases.append((f, f'check.value("{f.name}", value{", required: true" if r is not None and r.required else ""})'))
        elif r is not None:
            plain = Field(f.name, f.number, f.type, f.comment, rules=r)
            cases += [(f, line) for line in _scalar(plain, f'"{f.name}"', "value")]
    if not cases:
        return ""
    text = f"        switch {names.camel(oneof)} {{\n"
    text += "".join(f"        case .{f.swift}(let value)?: {line}\n" for f, line in cases)
    return text + "        default: break\n        }\n"
