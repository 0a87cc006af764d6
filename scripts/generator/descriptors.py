"""The contract as read from descriptors: what the other modules generate from."""

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from . import names
from .output import GenerationError

F = descriptor_pb2.FieldDescriptorProto

SCALARS = {
    F.TYPE_DOUBLE: "Double", F.TYPE_FLOAT: "Float", F.TYPE_INT64: "Int64", F.TYPE_UINT64: "UInt64",
    F.TYPE_INT32: "Int32", F.TYPE_FIXED64: "UInt64", F.TYPE_FIXED32: "UInt32", F.TYPE_BOOL: "Bool",
    F.TYPE_STRING: "String", F.TYPE_BYTES: "[UInt8]", F.TYPE_UINT32: "UInt32", F.TYPE_SFIXED32: "Int32",
    F.TYPE_SFIXED64: "Int64", F.TYPE_SINT32: "Int32", F.TYPE_SINT64: "Int64",
}

# Descriptors of these are embedded, but their messages are of no use as Swift values: v1alpha has the same messages
# as v1, and descriptors are read by DescriptorPool.
NO_MESSAGES = {"google/protobuf/descriptor.proto", "grpc/reflection/v1alpha/reflection.proto"}


@dataclass
class EnumValue:
    name: str
    number: int
    comment: str
    case: str


@dataclass
class Enum:
    full_name: str
    swift: str
    file: str
    comment: str
    values: list[EnumValue]
    has_negative: bool
    reserved: set[int] = field(default_factory=set)


@dataclass
class Field:
    name: str
    number: int
    type: int
    comment: str
    repeated: bool = False
    optional: bool = False  # explicit presence of a scalar or an enum: proto3 optional
    oneof: str | None = None
    message: "Message | None" = None
    enum: "Enum | None" = None
    rules: object | None = None  # trellis.options.v1.Rules

    @property
    def swift(self) -> str:
        return names.camel(self.name)

    @property
    def is_map(self) -> bool:
        return self.message is not None and self.message.is_map_entry

    @property
    def element(self) -> str:
        """The Swift type of one value."""
        if self.message:
            return self.message.swift
        return self.enum.swift if self.enum else SCALARS[self.type]

    @property
    def swift_type(self) -> str:
        if self.is_map:
            return f"[String: {self.message.fields[1].element}]"
        if self.repeated:
            return f"[{self.element}]"
        return f"{self.element}?" if self.optional or self.message else self.element

    @property
    def default(self) -> str:
        if self.is_map:
            return "[:]"
        if self.repeated or (self.type == F.TYPE_BYTES and not self.optional):
            return "[]"
        if self.optional or self.message:
            return "nil"
        if self.enum:
            return "." + next(v.case for v in self.enum.values if v.number == 0)
        return {"String": '""', "Bool": "false"}.get(self.element, "0")


@dataclass
class Message:
    full_name: str
    swift: str  # with the outer messages' names, dotted
    file: str
    comment: str
    fields: list[Field] = field(default_factory=list)
    oneofs: dict[str, str] = field(default_factory=dict)  # real oneofs and their comments
    nested: list["Message"] = field(default_factory=list)
    enums: list[Enum] = field(default_factory=list)
    is_map_entry: bool = False
    reserved: set[int] = field(default_factory=set)

    @property
    def short(self) -> str:
        return self.swift.rsplit(".", 1)[-1]


@dataclass
class Method:
    name: str
    comment: str
    input: Message
    output: Message
    client_streaming: bool
    server_streaming: bool
    policy: object | None

    @property
    def swift(self) -> str:
        return self.name[:1].lower() + self.name[1:]


@dataclass
class Service:
    full_name: str
    name: str
    file: str
    comment: str
    methods: list[Method]
    permissions: list  # trellis.options.v1.Permission


@dataclass
class File:
    path: str
    package: str
    is_provided: bool  # its C and Swift come from another module
    proto: descriptor_pb2.FileDescriptorProto
    is_checked: bool = True
    messages: list[Message] = field(default_factory=list)  # top-level
    enums: list[Enum] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        return self.is_checked and self.package.startswith("trellis.")


@dataclass
class API:
    files: list[File]
    messages: dict[str, Message]  # by full name
    enums: dict[str, Enum]

    def all_messages(self, file: File) -> list[Message]:
        """The file's messages, outer ones first."""
        def walk(messages):
            for message in messages:
                yield message
                yield from walk(message.nested)
        return list(walk(file.messages))

    def swift_files(self) -> list[File]:
        """The files whose messages exist as C and Swift types."""
        return [f for f in self.files if f.path not in NO_MESSAGES]

    def own_files(self) -> list[File]:
        """Those of them that are generated here."""
        return [f for f in self.swift_files() if not f.is_provided]

    def by_swift_name(self, name: str) -> Message | None:
        return next((m for f in self.swift_files() for m in self.all_messages(f) if m.swift == name), None)


def compile_protos(proto_root: Path, provided: tuple[Path, ...] = ()) -> descriptor_pb2.FileDescriptorSet:
    """Runs protoc over every file below the folder; `provided` are folders that its files may import from."""
    paths = sorted(p.relative_to(proto_root).as_posix() for p in proto_root.rglob("*.proto"))
    if not paths:
        raise GenerationError(f"{proto_root}: no .proto file below it")
    includes = [f"-I{folder}" for folder in (proto_root, *provided)]
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            ["protoc", *includes, "--include_imports", "--include_source_info", f"-o{folder}/set", *paths],
            capture_output=True, text=True)
        if result.returncode != 0:
            raise GenerationError(f"protoc refuses the proto files:\n{result.stderr.strip()}")
        return descriptor_pb2.FileDescriptorSet.FromString(Path(folder, "set").read_bytes())


class Options:
    """Reads our custom options, which protoc leaves as extensions of the descriptor options."""

    def __init__(self, files: descriptor_pb2.FileDescriptorSet):
        pool = descriptor_pool.DescriptorPool()
        known = {f.name for f in files.file}
        if "google/protobuf/descriptor.proto" not in known:
            pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
        for file in files.file:
            pool.AddSerializedFile(file.SerializeToString())
        self.pool = pool

    def extension(self, options, kind: str, name: str):
        """The value of an extension such as trellis.options.v1.rules, or None."""
        try:
            extension = self.pool.FindExtensionByName(name)
        except KeyError:
            return None
        cls = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"google.protobuf.{kind}"))
        message_factory.GetMessageClass(extension.message_type)
        parsed = cls.FromString(options.SerializeToString())
        if extension.is_repeated if hasattr(extension, "is_repeated") else extension.label == extension.LABEL_REPEATED:
            return list(parsed.Extensions[extension])
        return parsed.Extensions[extension] if parsed.HasExtension(extension) else None


class Comments:
    """The comments of a file by the paths of its source info."""

    def __init__(self, proto: descriptor_pb2.FileDescriptorProto):
        self.by_path = {}
        for location in proto.source_code_info.location:
            if location.leading_comments or location.trailing_comments:
                self.by_path[tuple(location.path)] = location.leading_comments or location.trailing_comments

    def __getitem__(self, path) -> str:
        return self.by_path.get(tuple(path), "")


def read(
    files: descriptor_pb2.FileDescriptorSet, proto_root: Path | None = None, is_released: bool = False
) -> API:
    """Turns descriptors into the model, and refuses what the generated code has no form for. With `proto_root`, files
    that are not below it are provided by another module. A released contract has no comments any more, and was checked
    when it was made."""
    options = Options(files)
    api = API([], {}, {})
    protos = sorted(files.file, key=lambda f: f.name)
    for proto in protos:
        is_provided = proto_root is not None and not (proto_root / proto.name).exists()
        api.files.append(_declare(api, File(proto.name, proto.package, is_provided, proto, not is_released)))
    for file in api.files:
        _fill(api, file, options)
    if is_released:
        return api
    _check_names(api)
    _check_permissions(api)
    for file in api.own_files():
        for message in api.all_messages(file):
            _check_recursion(message, [])
    return api


def _declare(api: API, file: File) -> File:
    comments = Comments(file.proto)

    def swift_name(full_name: str, short: str, outer: str) -> str:
        return f"{outer}.{short}" if outer else names.RENAMED.get(full_name, short)

    def enum(proto, path, scope, outer) -> Enum:
        full = f"{scope}.{proto.name}"
        if len({v.number for v in proto.value}) < len(proto.value):
            raise GenerationError(f"{file.path}: {full} has two names for one number; the generator has no aliases")
        values = [
            EnumValue(v.name, v.number, comments[path + [2, i]], names.enum_case(proto.name, v.name))
            for i, v in enumerate(proto.value)]
        result = Enum(full, swift_name(full, proto.name, outer), file.path, comments[path], values,
                      any(v.number < 0 for v in proto.value),
                      {n for r in proto.reserved_range for n in range(r.start, r.end + 1)})
        api.enums[full] = result
        return result

    def message(proto, path, scope, outer) -> Message:
        full = f"{scope}.{proto.name}"
        result = Message(full, swift_name(full, proto.name, outer), file.path, comments[path],
                         is_map_entry=proto.options.map_entry,
                         reserved={n for r in proto.reserved_range for n in range(r.start, min(r.end, r.start + 10_000))})
        api.messages[full] = result
        result.enums = [enum(e, path + [4, i], full, result.swift) for i, e in enumerate(proto.enum_type)]
        result.nested = [message(m, path + [3, i], full, result.swift) for i, m in enumerate(proto.nested_type)]
        return result

    file.enums = [enum(e, [5, i], file.package, "") for i, e in enumerate(file.proto.enum_type)]
    file.messages = [message(m, [4, i], file.package, "") for i, m in enumerate(file.proto.message_type)]
    return file


def _fill(api: API, file: File, options: Options) -> None:
    comments = Comments(file.proto)
    is_swift = file.path not in NO_MESSAGES

    def fill(proto, message: Message, path) -> None:
        synthetic = {f.oneof_index for f in proto.field if f.proto3_optional}
        for i, oneof in enumerate(proto.oneof_decl):
            if i not in synthetic:
                message.oneofs[oneof.name] = comments[path + [8, i]]
        for i, f in enumerate(proto.field):
            if f.type == F.TYPE_GROUP and is_swift:
                raise GenerationError(f"{file.path}: {message.full_name}.{f.name} is a group; use a message")
            field_ = Field(
                f.name, f.number, f.type, comments[path + [2, i]], repeated=f.label == F.LABEL_REPEATED,
                optional=f.proto3_optional and f.type != F.TYPE_MESSAGE,
                oneof=proto.oneof_decl[f.oneof_index].name
                if f.HasField("oneof_index") and f.oneof_index not in synthetic else None,
                message=api.messages[f.type_name[1:]] if f.type in (F.TYPE_MESSAGE, F.TYPE_GROUP) else None,
                enum=api.enums[f.type_name[1:]] if f.type == F.TYPE_ENUM else None,
                rules=options.extension(f.options, "FieldOptions", "trellis.options.v1.rules"))
            message.fields.append(field_)
            if file.is_ours and not field_.comment.strip() and not message.is_map_entry:
                raise GenerationError(
                    f"{file.path}: {message.full_name}.{f.name} has no comment; say what it holds, in which unit")
        if message.is_map_entry and is_swift and proto.field[0].type != F.TYPE_STRING:
            raise GenerationError(f"{file.path}: {message.full_name} has keys that are not strings; use string keys")
        if file.is_ours and not message.comment.strip() and not message.is_map_entry:
            raise GenerationError(f"{file.path}: message {message.full_name} has no comment; say what it is")
        for i, (nested_proto, nested) in enumerate(zip(proto.nested_type, message.nested)):
            fill(nested_proto, nested, path + [3, i])

    for i, (proto, message) in enumerate(zip(file.proto.message_type, file.messages)):
        fill(proto, message, [4, i])
    for enum in [e for e in api.enums.values() if e.file == file.path and file.is_ours]:
        _check_enum(file, enum)
    for i, proto in enumerate(file.proto.service):
        service = Service(f"{file.package}.{proto.name}", proto.name, file.path, comments[[6, i]], [],
                          options.extension(proto.options, "ServiceOptions", "trellis.options.v1.permissions") or [])
        for j, m in enumerate(proto.method):
            method = Method(
                m.name, comments[[6, i, 2, j]], api.messages[m.input_type[1:]], api.messages[m.output_type[1:]],
                m.client_streaming, m.server_streaming,
                options.extension(m.options, "MethodOptions", "trellis.options.v1.policy"))
            _check_method(file, service, method)
            service.methods.append(method)
        if file.is_ours and not service.comment.strip():
            raise GenerationError(f"{file.path}: service {service.full_name} has no comment; say what it is for")
        file.services.append(service)


def _check_enum(file: File, enum: Enum) -> None:
    if not enum.comment.strip():
        raise GenerationError(f"{file.path}: enum {enum.full_name} has no comment; say what it tells apart")
    for value in enum.values:
        if not value.comment.strip():
            raise GenerationError(f"{file.path}: {enum.full_name}.{value.name} has no comment; say what it means")


def _check_method(file: File, service: Service, method: Method) -> None:
    if not file.is_ours:
        return
    where = f"{file.path}: rpc {service.name}.{method.name}"
    if not method.comment.strip():
        raise GenerationError(f"{where} has no comment; say what it does and how it fails")
    policy = method.policy
    if policy is None:
        raise GenerationError(f"{where} has no policy; add option (trellis.options.v1.policy) = {{ ... }}")
    if policy.scope == 0 or policy.effect == 0:
        raise GenerationError(f"{where} has a policy without scope or effect; set both")
    public = policy.DESCRIPTOR.fields_by_name["scope"].enum_type.values_by_number[policy.scope].name in (
        "SCOPE_PUBLIC", "SCOPE_AUTHENTICATED")
    if not policy.permission and not public:
        raise GenerationError(
            f"{where} has a policy without a permission; name one, such as \"tenancy.sites.read\", or make its scope"
            " SCOPE_PUBLIC or SCOPE_AUTHENTICATED")
    if policy.effect == 2 and not any(f.name == "request_id" for f in method.input.fields):
        raise GenerationError(f"{where} writes, but {method.input.full_name} has no request_id; add string request_id")


def _check_permissions(api: API) -> None:
    services = [s for file in api.files if file.is_ours for s in file.services]
    declared: dict[str, str] = {}
    for service in services:
        for permission in service.permissions:
            where = f"{service.file}: permission \"{permission.name}\" of {service.name}"
            if not permission.name or not permission.description:
                raise GenerationError(f"{where} has no name or no description; give it both")
            if permission.name in declared:
                raise GenerationError(f"{where} is declared by {declared[permission.name]}, too; declare it once")
            declared[permission.name] = service.name
    for service in services:
        for method in service.methods:
            where = f"{service.file}: rpc {service.name}.{method.name}"
            for name in (method.policy.permission, method.policy.personal_permission):
                if name and name not in declared:
                    raise GenerationError(
                        f"{where} needs the permission \"{name}\", which no service declares; add option"
                        " (trellis.options.v1.permissions) to the service")
            site = method.policy.site_field
            if site and not any(f.name == site and f.type == F.TYPE_STRING and not f.repeated
                                for f in method.input.fields):
                raise GenerationError(
                    f"{where} has the site_field \"{site}\", which is no string field of {method.input.full_name}")


def _check_names(api: API) -> None:
    seen: dict[str, str] = {}
    for file in api.swift_files():
        top = [(m.swift, m.full_name) for m in file.messages] + [(e.swift, e.full_name) for e in file.enums]
        for swift, full in top:
            if swift in names.TAKEN:
                raise GenerationError(f"{file.path}: {full} would hide Swift's {swift}; rename it, or add it to names.RENAMED")
            if swift in seen:
                raise GenerationError(
                    f"{file.path}: {full} and {seen[swift]} would both be {swift} in Swift; rename one, or add it to"
                    " names.RENAMED")
            seen[swift] = full


def _check_recursion(message: Message, above: list[str]) -> None:
    if message.full_name in above:
        raise GenerationError(
            f"{message.file}: {' > '.join(above + [message.full_name])} is recursive without a list between; a Swift"
            " value cannot hold itself, so use a repeated field")
    for f in message.fields:
        if f.message and not f.repeated:
            _check_recursion(f.message, above + [message.full_name])
