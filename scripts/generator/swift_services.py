"""What the server implements: a protocol a service, and its registration with the policies of its methods."""

from . import names
from .descriptors import API, Method, Service
from .layout import Layout
from .output import SWIFT_HEADER, GenerationError, Output


def generate(api: API, layout: Layout, out: Output) -> None:
    out.own(f"{layout.services}/*.swift")
    for file in api.own_files():
        if file.is_ours:
            for service in file.services:
                out.add(f"{layout.services}/{service.name}.swift", _service(service, layout))


def _service(service: Service, layout: Layout) -> str:
    for method in service.methods:
        if method.client_streaming:
            raise GenerationError(
                f"{service.file}: rpc {service.name}.{method.name} streams its requests, which Trellis has no use for;"
                " take a chunk a call, so that a retry does not start over")
    text = SWIFT_HEADER + "internal import RPC\npublic import RPCServer\n"
    # The module of the messages imports itself when it is the fixture's: its services stand beside its messages.
    text += "public import TrellisAPI\n\n" if layout.module == "TrellisAPI" else "internal import TrellisAPI\n\n"
    text += names.doc_comment(service.comment)
    text += f"public protocol {service.name}: Sendable {{\n"
    text += "\n".join(names.doc_comment(m.comment, "    ") + f"    {_signature(m)}\n" for m in service.methods)
    text += f"}}\n\n// An RPC without an implementation answers UNIMPLEMENTED.\nextension {service.name} {{\n"
    text += "\n".join(
        names.doc_comment(m.comment, "    ") + f"    public {_signature(m)} {{\n"
        f'        throw RPCError(.unimplemented, "{service.full_name}/{m.name} is not implemented by this server")\n    }}\n'
        for m in service.methods)
    label = service.name.removesuffix("Service")
    label = label[:1].lower() + label[1:]
    text += f"}}\n\nextension Router {{\n    /// Registers every RPC of `{service.full_name}`, each with its `MethodPolicy`.\n"
    text += f"    public func register({names.escaped(label)} service: some {service.name}) {{\n"
    text += "".join(_registration(service, m) for m in service.methods)
    return text + "    }\n}\n"


def _signature(m: Method) -> str:
    if m.server_streaming:
        return (f"func {names.escaped(m.swift)}(\n        _ request: {m.input.swift}, _ responses:"
                f" ResponseWriter<{m.output.swift}>, _ context: ServerContext\n    ) async throws")
    return (f"func {names.escaped(m.swift)}(_ request: {m.input.swift}, _ context: ServerContext) async throws"
            f" -> {m.output.swift}")


def policy(m: Method) -> str:
    """The policy as Swift: MethodPolicy(permission: "tenancy.sites.read", scope: .tenant, effect: .read, ...)."""
    p = m.policy
    scope = p.DESCRIPTOR.fields_by_name["scope"].enum_type.values_by_number[p.scope].name
    effect = p.DESCRIPTOR.fields_by_name["effect"].enum_type.values_by_number[p.effect].name
    parts = [f'permission: "{p.permission}"', f'scope: .{names.enum_case("Scope", scope)}',
             f'effect: .{names.enum_case("Effect", effect)}', f"idempotent: {str(p.idempotent).lower()}",
             f"audited: {str(p.audited).lower()}"]
    # What most policies leave at its default is left out.
    for field in p.DESCRIPTOR.fields[len(parts):]:
        value = getattr(p, field.name)
        if not value:
            continue
        if field.enum_type:
            text = "." + names.enum_case(field.enum_type.name, field.enum_type.values_by_number[value].name)
        else:
            text = str(value).lower() if isinstance(value, bool) else f'"{value}"'
        parts.append(f"{names.camel(field.name)}: {text}")
    rest = "".join(f",\n                {', '.join(parts[i:i + 2])}" for i in range(3, len(parts), 2))
    return f"MethodPolicy(\n                {', '.join(parts[:3])}{rest})"


def _registration(service: Service, m: Method) -> str:
    path = f'"/{service.full_name}/{m.name}"'
    if m.server_streaming:
        return (f"        serverStreaming(\n            {path},\n            {policy(m)}\n        ) {{ (request: {m.input.swift},"
                f" responses: ResponseWriter<{m.output.swift}>, context) in\n"
                f"{_site_check(m)}            try await service.{m.swift}(request, responses, context)\n        }}\n")
    return (f"        unary(\n            {path},\n            {policy(m)}\n        ) {{ (request: {m.input.swift}, context) in\n"
            f"{_site_check(m)}            {'return ' if m.policy.site_field else ''}try await service.{m.swift}(request, context)\n"
            f"        }}\n")


def _site_check(m: Method) -> str:
    """Asks for the permission on the site that the request names, where the policy names the field."""
    if not m.policy.site_field:
        return ""
    field = next(f for f in m.input.fields if f.name == m.policy.site_field)
    return f"            try context.checkSite(request.{names.escaped(field.swift)})\n"
