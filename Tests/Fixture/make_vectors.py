"""Writes Vectors.swift: messages of the fixture as Google's Python protobuf encodes them, and as it writes their JSON.

    PYTHONPATH=scripts .venv/bin/python Tests/Fixture/make_vectors.py > Tests/ProtobufTests/Vectors.swift
"""

import json
from pathlib import Path

from google.protobuf import descriptor_pool, json_format, message_factory

from generator import descriptors, layout

root = Path(__file__).parents[2]
where = layout.fixture(root)
pool = descriptor_pool.DescriptorPool()
for file in descriptors.compile_protos(where.protos, where.provided).file:
    pool.AddSerializedFile(file.SerializeToString())


# Well-known types are only ever read by their descriptors.
well_known = descriptors.compile_protos(root / "Tests/Fixture/json")
for file in well_known.file:
    if file.name not in {"google/protobuf/duration.proto"}:
        pool.AddSerializedFile(file.SerializeToString())
any_types = [pool.FindMessageTypeByName(n) for n in ("trellis.fixture.v1.Tree", "google.protobuf.Duration")]
for descriptor in any_types:
    message_factory.GetMessageClass(descriptor)


def well():
    m = message_factory.GetMessageClass(pool.FindMessageTypeByName("trellis.wellknown.v1.WellKnown"))()
    m.structure.update({"a": 1.5, "b": [True, None, {"c": "d"}], "e": {}})
    m.value.number_value = -2
    m.list.extend(["x", 3.25])
    m.double_value.value, m.int64_value.value, m.uint64_value.value = 0, -7, 2**64 - 1
    m.bool_value.value, m.string_value.value, m.bytes_value.value = False, "", b"\xfb\xff"
    m.any.Pack(tree())
    m.by_number[-3] = "minus three"
    m.by_flag[True].seconds = 90
    m.values.add().null_value = 0
    m.values.add().string_value = "s"
    return m


def well_any():
    m = message_factory.GetMessageClass(pool.FindMessageTypeByName("trellis.wellknown.v1.WellKnown"))()
    inner = message_factory.GetMessageClass(any_types[1])()
    inner.seconds, inner.nanos = 1, 1
    m.any.Pack(inner)
    return m


def new(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"trellis.fixture.v1.{name}"))()


def scalars(sign=1):
    m = new("Scalars")
    top = sign > 0
    m.a_double, m.a_float = sign * 1.5e300, sign * 0.25
    m.an_int32, m.an_int64 = (2**31 - 1, 2**63 - 1) if top else (-(2**31), -(2**63))
    m.a_uint32, m.a_uint64 = (2**32 - 1, 2**64 - 1) if top else (1, 128)
    m.a_sint32, m.a_sint64 = (2**31 - 1, 2**63 - 1) if top else (-(2**31), -(2**63))
    m.a_fixed32, m.a_fixed64 = (2**32 - 1, 2**64 - 1) if top else (1, 2)
    m.an_sfixed32, m.an_sfixed64 = (2**31 - 1, 2**63 - 1) if top else (-(2**31), -(2**63))
    m.a_bool, m.a_string, m.some_bytes = True, "Ahoj, 世界 \U0001F600" if top else "a" * 40, bytes(range(256))
    m.color = 2 if top else -1
    return m


def lists():
    m = new("Lists")
    m.doubles.extend([0, 1.5, -2])
    m.int32s.extend([0, -1, 300])
    m.sint64s.extend([-1, 2**62])
    m.fixed32s.extend([7, 8])
    m.bools.extend([True, False, True])
    m.strings.extend(["", "two", "三"])
    m.byte_strings.extend([b"", b"\x00\xff"])
    m.colors.extend([0, 1, -1, 77])
    m.messages.extend([new("Scalars"), scalars()])
    m.counts["one"], m.counts["two"] = 1, -5
    m.named["x"].a_string = "named"
    return m


def presence(kind):
    m = new("Presence")
    if kind == "zeros":
        m.number, m.text, m.flag, m.data, m.color = 0, "", False, b"", 0
        m.message.SetInParent()
        m.name = ""
    elif kind == "scalars":
        m.number, m.text, m.flag, m.data, m.color = -1, "t", True, b"d", 1
        m.scalars.a_bool = True
    elif kind == "raw":
        m.raw = b"\x01\x00"
    elif kind == "shade":
        m.shade = -1
    elif kind == "id":
        m.id = 2**53 + 1
    return m


def tree():
    m = new("Tree")
    m.name = "root"
    m.children.add(name="a").children.add(name="a1")
    m.children.add()
    return m


def odd():
    m = new("Odd")
    setattr(m, "default", "d")
    setattr(m, "in", 3)
    m.tenant_id, m.api_key_url, m.password = "t", "u", "hush"
    m.create_time.seconds, m.create_time.nanos = -1, 5_000_000
    m.timeout.seconds, m.timeout.nanos = -3, -500_000_000
    m.update_mask.paths.extend(["display_name", "inner.kind"])
    m.inner.kind = 1
    return m


VECTORS = {
    "emptyScalars": new("Scalars"), "highScalars": scalars(), "lowScalars": scalars(-1), "lists": lists(),
    "noPresence": presence(""), "zeroPresence": presence("zeros"), "scalarsPresence": presence("scalars"),
    "rawPresence": presence("raw"), "shadePresence": presence("shade"), "idPresence": presence("id"),
    "tree": tree(), "odd": odd(),
}
WELL_KNOWN = {"wellKnown": well(), "wellKnownAny": well_any()}

print("// Written by make_vectors.py. Do not edit.\n// swift-format-ignore-file\n")
print("/// A message as Google's Python protobuf has it: its name, its bytes in hexadecimal, its JSON.")
print("struct Vector: Sendable {\n    let name: String\n    let hex: String\n    let json: String\n}\n")
print("extension Vector {")
for name, message in (VECTORS | WELL_KNOWN).items():
    data = message.SerializeToString(deterministic=True)
    text = json.dumps(json_format.MessageToDict(message, descriptor_pool=pool), ensure_ascii=False)
    print(f"    static let {name} = Vector(name: \"{message.DESCRIPTOR.full_name}\",\n        hex: \"{data.hex()}\",")
    print(f"        json: #\"{text}\"#)\n")
print("    static let all = [" + ", ".join(VECTORS) + "]\n")
print("    /// The proto files of the well-known types, serialized, in hexadecimal.\n    static let wellKnownFiles = [")
for file in well_known.file:
    if file.name != "google/protobuf/duration.proto":
        file.ClearField("source_code_info")
        print(f'        "{file.SerializeToString().hex()}",')
print("    ]\n}")
