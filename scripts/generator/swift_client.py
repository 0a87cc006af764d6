"""Client stubs over TrellisConnection: clients/swift/Generated."""

from . import names
from .descriptors import API, Method, Service
from .layout import Layout
from .output import SWIFT_HEADER, Output


def generate(api: API, layout: Layout, out: Output) -> None:
    out.own(f"{layout.clients}/*.swift")
    for file in api.own_files():
        if file.is_ours:
            for service in file.services:
                out.add(f"{layout.clients}/{_name(service)}.swift", _client(service, layout))


def _name(service: Service) -> str:
    return service.name.removesuffix("Service") + "Client"


def _client(service: Service, layout: Layout) -> str:
    text = SWIFT_HEADER
    if layout.module == "TrellisAPI":
        text += "public import RPCClient\n" if any(m.server_streaming for m in service.methods) else ""
        text += "public import TrellisAPI\n\n"
    else:
        text += "public import RPCClient\npublic import TrellisClient\n\n"
    text += names.doc_comment(service.comment)
    text += f"public struct {_name(service)}: Sendable {{\n"
    text += "    /// What the calls are made over.\n    public let connection: TrellisConnection\n\n"
    text += "    /// Calls the service over a connection, which can be shared with other services' clients.\n"
    text += "    public init(_ connection: TrellisConnection) { self.connection = connection }\n"
    text += "".join("\n" + _method(service, m) for m in service.methods)
    return text + "}\n"


def _method(service: Service, m: Method) -> str:
    path = f'"/{service.full_name}/{m.name}"'
    text = names.doc_comment(m.comment, "    ")
    if m.server_streaming:
        return (text + f"    public func {names.escaped(m.swift)}(\n        _ request: {m.input.swift}, options: TrellisConnection.Options? = nil\n"
                f"    ) -> ResponseStream<{m.output.swift}> {{\n"
                f"        connection.serverStreaming(\n            {path}, request, isIdempotent: {_idempotent(m)}, options: options)\n    }}\n")
    return (text + f"    public func {names.escaped(m.swift)}(\n        _ request: {m.input.swift}, options: TrellisConnection.Options? = nil\n"
            f"    ) async throws(TrellisError) -> {m.output.swift} {{\n        try await connection.unary(\n"
            f"            {path}, request, isIdempotent: {_idempotent(m)}, options: options)\n    }}\n")


def _idempotent(m: Method) -> str:
    """Whether the connection may send the call again when it cannot know what became of it."""
    effect = m.policy.DESCRIPTOR.fields_by_name["effect"].enum_type.values_by_number[m.policy.effect].name
    if effect == "EFFECT_READ" or m.policy.idempotent:
        return "true"
    return "!request.requestID.isEmpty"
