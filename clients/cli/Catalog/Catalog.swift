/// The API as the CLI sees it: services, methods and the fields of their messages, with the words of the proto files.
struct Catalog: Sendable {
    var services: [CatalogService]
    /// Every message by its full name.
    var messages: [String: CatalogMessage]
    /// Every enum by its full name.
    var enums: [String: CatalogEnum]

    /// The service of this command name, such as `tenancy`.
    func service(command: String) -> CatalogService? { services.first { $0.command == command } }

    /// The method of a gRPC path, with or without its leading slash.
    ///
    /// `trellis.tenancy.v1.TenancyService/GetSite`, `TenancyService/GetSite` and `tenancy/get-site` name the same one.
    func method(path: String) -> CatalogMethod? {
        let parts = path.split(separator: "/")
        guard parts.count == 2 else { return nil }
        let service = services.first { service in
            service.fullName == parts[0] || service.fullName.hasSuffix(".\(parts[0])") || service.command == parts[0]
        }
        return service?.methods.first { $0.name == parts[1] || $0.command == parts[1] }
    }
}

/// A service and its methods.
struct CatalogService: Sendable {
    /// Such as `trellis.tenancy.v1.TenancyService`.
    var fullName: String
    /// The comment in the proto file.
    var comment: String
    var methods: [CatalogMethod]

    /// The service as a command: `TenancyService` is `tenancy`.
    var command: String {
        let name = fullName.split(separator: ".").last.map(String.init) ?? fullName
        return Words.hyphenated(name.hasSuffix("Service") ? String(name.dropLast("Service".count)) : name)
    }
}

/// A method: what it is called, what goes in and out, and who may call it.
struct CatalogMethod: Sendable {
    var service: String
    var name: String
    var comment: String
    /// The full name of the request message.
    var input: String
    /// The full name of the response message.
    var output: String
    var isServerStreaming = false
    /// The permission that the caller must hold; empty when none.
    var permission = ""
    /// Which kind of credential may call it, in words; empty when any.
    var scope = ""
    /// Whether it changes anything.
    var writes = false

    /// The method as a command: `CreateSite` is `create-site`.
    var command: String { Words.hyphenated(name) }
    /// The gRPC path.
    var path: String { "/\(service)/\(name)" }
}

/// A message and its fields, in the order of the proto file.
struct CatalogMessage: Sendable {
    var fullName: String
    var fields: [CatalogField]

    func field(_ name: String) -> CatalogField? { fields.first { $0.name == name } }
}

/// A field: its kind, and the rules that its value must keep.
struct CatalogField: Sendable {
    /// What a value of the field is.
    enum Kind: Sendable, Equatable {
        case bool
        /// A whole number, with or without a sign, of 32 or 64 bits.
        case integer
        case number
        case string
        case bytes
        /// An enum by its full name.
        case enumeration(String)
        /// A message by its full name.
        case message(String)
    }

    /// The name in the proto file, such as `display_name`.
    var name: String
    /// The name in JSON, such as `displayName`.
    var jsonName: String
    var kind: Kind
    var isRepeated = false
    var isMap = false
    var comment: String = ""
    var isRequired = false
    var isOutputOnly = false
    var isSecret = false

    /// The field as a flag, without its dashes.
    var flag: String { name.replacing("_", with: "-") }
}

/// An enum and its values, in the order of the proto file.
struct CatalogEnum: Sendable {
    var fullName: String
    var values: [(name: String, comment: String)]

    /// What all names of values begin with: `CONCEPT_KIND_` for the enum `ConceptKind`.
    var prefix: String {
        let name = fullName.split(separator: ".").last.map(String.init) ?? fullName
        return Words.hyphenated(name).uppercased().replacing("-", with: "_") + "_"
    }

    /// The short form of a value's name: `CONCEPT_KIND_SDG_GOAL` is `sdg-goal`.
    func short(_ name: String) -> String {
        (name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name)
            .lowercased().replacing("_", with: "-")
    }

    /// The values that mean something, in short: all but the zero that says that none was given.
    var choices: [String] { values.map(\.name).filter { !$0.hasSuffix("_UNSPECIFIED") }.map(short) }

    /// The full name of a value in its short or its full form, in any case.
    func value(_ text: String) -> String? {
        let wanted = text.uppercased().replacing("-", with: "_")
        return values.map(\.name).first { $0 == wanted || $0 == prefix + wanted }
    }
}

/// Names in the ways that proto files and command lines write them.
enum Words {
    /// `IssueTenantKey` and `WhoAmI` as `issue-tenant-key` and `who-am-i`.
    static func hyphenated(_ name: String) -> String {
        var result = ""
        for character in name {
            if character.isUppercase && !result.isEmpty { result += "-" }
            result += character.lowercased()
        }
        return result
    }

    /// The paragraphs of a comment, each on one line.
    static func paragraphs(_ comment: String) -> String {
        comment.split(separator: "\n", omittingEmptySubsequences: false)
            .split { $0.allSatisfy(\.isWhitespace) }
            .map { $0.joined(separator: " ") }
            .joined(separator: "\n\n")
    }

    /// The first sentence of a comment, without its full stop.
    static func firstSentence(_ comment: String) -> String {
        let text = comment.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        guard let end = text.firstRange(of: ". ") else { return text.hasSuffix(".") ? String(text.dropLast()) : text }
        return String(text[..<end.lowerBound])
    }
}
