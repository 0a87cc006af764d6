"""Compares the contract with the last one that was released: what an old client may hold on to.

`proto/baseline.binpb` is the released contract as a google.protobuf.FileDescriptorSet; `scripts/generate --baseline` writes
it when a version is released. A field may be added, and one may be removed when its number is reserved; nothing that has
a number or a name may get another.
"""

from pathlib import Path

from google.protobuf import descriptor_pb2

from . import descriptors
from .descriptors import API, F, Field
from .output import GenerationError

PATH = "proto/baseline.binpb"
# Types whose values look the same on the wire.
SAME_ON_THE_WIRE = [
    {F.TYPE_INT32, F.TYPE_INT64, F.TYPE_UINT32, F.TYPE_UINT64, F.TYPE_BOOL, F.TYPE_ENUM},
    {F.TYPE_SINT32, F.TYPE_SINT64}, {F.TYPE_FIXED32, F.TYPE_SFIXED32}, {F.TYPE_FIXED64, F.TYPE_SFIXED64},
]


def write(root: Path, files: descriptor_pb2.FileDescriptorSet) -> None:
    released = descriptor_pb2.FileDescriptorSet()
    for file in files.file:
        copy = released.file.add()
        copy.CopyFrom(file)
        copy.ClearField("source_code_info")
    (root / PATH).write_bytes(released.SerializeToString(deterministic=True))


def check(root: Path, api: API) -> None:
    """Refuses a contract that breaks clients of the released one."""
    path = root / PATH
    if not path.exists():
        return
    released = descriptors.read(descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()), is_released=True)
    found = breaks(released, api)
    if found:
        raise GenerationError(
            f"the contract breaks clients of the released one ({PATH}):\n  " + "\n  ".join(found)
            + "\nUndo that, or, when a new major version is meant, put it in a new package.")


def breaks(old: API, new: API) -> list[str]:
    """What a client of the old contract would trip over in the new one."""
    found = []
    for name, message in old.messages.items():
        if not name.startswith("trellis."):
            continue
        now = new.messages.get(name)
        if now is None:
            found.append(f"{message.file}: message {name} is gone; keep it")
            continue
        by_number = {f.number: f for f in now.fields}
        by_name = {f.name: f for f in now.fields}
        for f in message.fields:
            found += [f"{message.file}: {name}.{f.name} {reason}" for reason in _field(f, by_number, by_name, now.reserved)]
    for name, enum in old.enums.items():
        if not name.startswith("trellis."):
            continue
        now = new.enums.get(name)
        if now is None:
            found.append(f"{enum.file}: enum {name} is gone; keep it")
            continue
        numbers = {v.number: v.name for v in now.values}
        for value in enum.values:
            if value.number not in numbers and value.number not in now.reserved:
                found.append(f"{enum.file}: {name}.{value.name} (number {value.number}) is gone; keep it, or write"
                             f" `reserved {value.number};`")
            elif numbers.get(value.number, value.name) != value.name:
                found.append(f"{enum.file}: {name}.{value.name} is called {numbers[value.number]} now, which breaks JSON")
    return found + _services(old, new)


def _field(f: Field, by_number: dict, by_name: dict, reserved: set[int]) -> list[str]:
    now = by_number.get(f.number)
    if now is None:
        if f.name in by_name:
            return [f"was number {f.number} and is {by_name[f.name].number}"]
        return [] if f.number in reserved else [
            f"(number {f.number}) is gone; keep it, or write `reserved {f.number};` and `reserved \"{f.name}\";`"]
    if now.name != f.name:
        return [f"is called {now.name} now, which breaks JSON and update masks"]
    if now.repeated != f.repeated:
        shapes = {False: "singular", True: "a list"}
        return [f"was {shapes[f.repeated]} and is {shapes[now.repeated]}"]
    if now.type != f.type and not any({now.type, f.type} <= same for same in SAME_ON_THE_WIRE):
        return [f"was {_type(f)} and is {_type(now)}"]
    if _type_name(now) != _type_name(f):
        return [f"was {_type_name(f) or _type(f)} and is {_type_name(now) or _type(now)}"]
    if now.oneof != f.oneof:
        return [f"was in {f.oneof or 'no oneof'} and is in {now.oneof or 'none'}"]
    return []


def _services(old: API, new: API) -> list[str]:
    found = []
    services = {s.full_name: s for file in new.files for s in file.services}
    for service in (s for file in old.files for s in file.services if s.full_name.startswith("trellis.")):
        now = services.get(service.full_name)
        if now is None:
            found.append(f"{service.file}: service {service.full_name} is gone; keep it")
            continue
        methods = {m.name: m for m in now.methods}
        for method in service.methods:
            match = methods.get(method.name)
            where = f"{service.file}: rpc {service.name}.{method.name}"
            if match is None:
                found.append(f"{where} is gone; keep it")
            elif _shape(match) != _shape(method):
                found.append(f"{where} was {_shape(method)} and is {_shape(match)}")
    return found


def _shape(method) -> str:
    answer = f"stream {method.output.full_name}" if method.server_streaming else method.output.full_name
    request = f"stream {method.input.full_name}" if method.client_streaming else method.input.full_name
    return f"({request}) returns ({answer})"


def _type(f: Field) -> str:
    return descriptor_pb2.FieldDescriptorProto.Type.Name(f.type).removeprefix("TYPE_").lower()


def _type_name(f: Field) -> str:
    declared = f.message or f.enum
    return declared.full_name if declared else ""
