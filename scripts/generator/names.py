"""How names of proto files become Swift names."""

import re

# Swift names of messages and enums whose own name is taken or says too little outside their package.
RENAMED = {
    "google.protobuf.Duration": "ProtoDuration",
    "google.protobuf.Any": "AnyMessage",
    "google.rpc.Status": "RPCStatus",
    "trellis.operations.v1.Operation": "LongRunningOperation",
    "trellis.options.v1.Policy": "MethodPolicy",
    "trellis.options.v1.Permission": "PermissionDeclaration",
    "trellis.options.v1.Scope": "PolicyScope",
    "trellis.options.v1.Effect": "PolicyEffect",
    "trellis.options.v1.Rules": "FieldRules",
    "trellis.options.v1.Format": "FieldFormat",
}

# Types of the standard library and of our lower layers: a message of that name would hide them.
TAKEN = {
    "Any", "AnyObject", "Array", "Bool", "Character", "Clock", "Collection", "Dictionary", "Double", "Duration", "Error",
    "EventLoop", "Float", "Identifiable", "Instant", "Int", "Int32", "Int64", "Message", "Never", "Optional", "Range",
    "Result", "Sendable", "Sequence", "Set", "String", "Task", "UInt32", "UInt64", "UUID", "Void", "Arena", "JSONValue",
}

KEYWORDS = {
    "Any", "Self", "Type", "Protocol", "as", "associatedtype", "break", "case", "catch", "class", "continue", "default",
    "defer", "deinit", "do", "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard",
    "if", "import", "in", "init", "inout", "internal", "is", "let", "nil", "operator", "precedencegroup", "private",
    "protocol", "public", "repeat", "rethrows", "return", "self", "static", "struct", "subscript", "super", "switch",
    "throw", "throws", "true", "try", "typealias", "var", "where", "while",
}

# Parts of snake_case names that are written in capitals, unless they begin the name.
ACRONYMS = {
    "api": "API", "csv": "CSV", "db": "DB", "grpc": "GRPC", "html": "HTML", "http": "HTTP", "id": "ID", "ids": "IDs",
    "ip": "IP", "iri": "IRI", "json": "JSON", "md5": "MD5", "rpc": "RPC", "sha256": "SHA256", "sql": "SQL", "tls": "TLS",
    "uri": "URI", "url": "URL", "urls": "URLs", "utc": "UTC", "uuid": "UUID",
}


def camel(snake: str) -> str:
    """lowerCamelCase with acronyms in capitals: tenant_id -> tenantID, metadata_json -> metadataJSON."""
    parts = [p for p in snake.split("_") if p]
    words = [parts[0].lower()] + [ACRONYMS.get(p.lower(), p[:1].upper() + p[1:]) for p in parts[1:]]
    return "".join(words)


def pascal(snake: str) -> str:
    """UpperCamelCase with acronyms in capitals."""
    return "".join(ACRONYMS.get(p.lower(), p[:1].upper() + p[1:]) for p in snake.split("_") if p)


def escaped(name: str) -> str:
    """The name as an identifier that is declared."""
    return f"`{name}`" if name in KEYWORDS else name


def enum_case(enum_name: str, value_name: str) -> str:
    """SITE_KIND_STAGING of SiteKind -> staging. A value without the enum's prefix keeps its whole name."""
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", enum_name).upper() + "_"
    rest = value_name[len(prefix):] if value_name.startswith(prefix) else value_name
    if not rest or rest[0].isdigit():
        rest = value_name
    return camel(rest.lower())


def swift_file(package: str) -> str:
    """The file of a package's generated Swift: trellis.tenancy.v1 -> TrellisTenancyV1."""
    return "".join(p[:1].upper() + p[1:] for p in package.split("."))


def doc_comment(text: str, indent: str = "") -> str:
    """A proto comment as Swift documentation lines."""
    lines = [line.rstrip() for line in text.strip("\n").split("\n")]
    lines = [line[1:] if line.startswith(" ") else line for line in lines]
    return "".join(f"{indent}/// {line}".rstrip() + "\n" for line in lines) if text.strip() else ""
