import Files
import Primitives
import Protobuf
import Terminal

/// Makes a request, as JSON by the protobuf mapping, out of what stood on the command line.
struct RequestBuilder {
    let catalog: Catalog
    let method: CatalogMethod
    /// The current time, from which `+90d` counts.
    var now = Instant.now()
    /// Reads a file for `@FILE`; `-` is standard input.
    var readFile: (String) throws -> [UInt8] = { try $0 == "-" ? Files.readStandardInput() : Files.read($0) }

    /// The request.
    ///
    /// Words that are no flags fill the required fields that are plain values, in order: `get-site ID`. A writing
    /// method's `request_id` is made up unless it is given, so that a repeated attempt cannot do the thing twice.
    func request(_ parsed: ParsedFlags) throws -> JSONValue {
        let entries = RequestFlags(method.input, catalog: catalog).entries
        var request = JSONValue.object([])
        for entry in entries {
            let values = parsed.all(entry.name)
            guard !values.isEmpty else { continue }
            try request.set(entry.path.map(\.jsonName)[...], try value(values, entry), flag: entry.name)
        }
        try fill(&request, parsed.positional)
        if method.writes, catalog.messages[method.input]?.field("request_id") != nil, request["requestId"] == nil {
            try request.set(["requestId"], .string(UUID.v7(at: now).text), flag: "request-id")
        }
        let missing = (catalog.messages[method.input]?.fields ?? [])
            .filter { $0.isRequired && request[$0.jsonName] == nil }
        if !missing.isEmpty {
            throw UsageError(
                missing.map { "--\($0.flag) is required: \(Words.firstSentence($0.comment))" }.joined(separator: "\n")
            )
        }
        return request
    }

    private func fill(_ request: inout JSONValue, _ words: [String]) throws {
        var fields = (catalog.messages[method.input]?.fields ?? []).filter { field in
            if case .message = field.kind { return false }
            return field.isRequired && !field.isMap && request[field.jsonName] == nil
        }[...]
        for word in words {
            guard let field = fields.first else {
                throw UsageError("'\(word)' is one word too many: values are given by flags, see --help")
            }
            // A list takes all that is left.
            if !field.isRepeated { fields = fields.dropFirst() }
            let element = try scalar(word, field, "'\(word)'")
            if field.isRepeated {
                let before = request[field.jsonName]?.elements ?? []
                try request.set([field.jsonName], .array(before + [element]), flag: field.flag)
            } else {
                try request.set([field.jsonName], element, flag: field.flag)
            }
        }
    }

    // MARK: Values

    private func value(_ texts: [String], _ entry: RequestFlags.Entry) throws -> JSONValue {
        let field = entry.field
        let flag = "--\(entry.name)"
        if field.isMap { return try map(texts, field, flag) }
        guard field.isRepeated else { return try scalar(texts[0], field, flag) }
        // One JSON array stands for all elements.
        if texts.count == 1, let text = try? content(texts[0], flag), text.hasPrefix("["),
            case .array(let elements)? = try? JSONValue(parsing: text)
        {
            return .array(elements)
        }
        return .array(try texts.map { try scalar($0, field, flag) })
    }

    private func map(_ texts: [String], _ field: CatalogField, _ flag: String) throws -> JSONValue {
        .object(
            try texts.map { text in
                guard let equals = text.firstIndex(of: "=") else {
                    throw UsageError("\(flag): '\(text)' is not KEY=VALUE")
                }
                return (String(text[..<equals]), .string(String(text[text.index(after: equals)...])))
            }
        )
    }

    private func scalar(_ text: String, _ field: CatalogField, _ flag: String) throws -> JSONValue {
        switch field.kind {
        case .bool:
            guard let value = Bool(text) else { throw UsageError("\(flag): '\(text)' is neither true nor false") }
            return .bool(value)
        case .integer:
            guard Int64(text) != nil || UInt64(text) != nil else {
                throw UsageError("\(flag): '\(text)' is not a whole number")
            }
            return .number(text)
        case .number:
            guard let value = Double(text), value.isFinite else {
                throw UsageError("\(flag): '\(text)' is not a number")
            }
            return .number("\(value)")
        case .string: return .string(try content(text, flag))
        case .bytes: return .string(Base64.encode(try bytes(text, flag)))
        case .enumeration(let name):
            guard let known = catalog.enums[name] else { return .string(text) }
            guard let value = known.value(text) else {
                throw UsageError("\(flag): '\(text)' is not one of \(known.choices.joined(separator: ", "))")
            }
            return .string(value)
        case .message(WellKnown.timestamp): return .string(try Times.timestamp(text, flag, now: now))
        case .message(WellKnown.duration): return .string(try Times.duration(text, flag))
        case .message(WellKnown.fieldMask): return .string(Self.mask(text))
        case .message:
            let json = try content(text, flag)
            do { return try JSONValue(parsing: json) } catch {
                throw UsageError("\(flag): no JSON, \(error); such a value is written '{\"name\": ...}' or @FILE")
            }
        }
    }

    /// The text itself, or that of the file after an `@`; `@@` stands for an `@` that begins a text.
    private func content(_ text: String, _ flag: String) throws -> String {
        guard text.hasPrefix("@") else { return text }
        if text.hasPrefix("@@") { return String(text.dropFirst()) }
        guard let content = String(validating: try bytes(text, flag), as: UTF8.self) else {
            throw UsageError("\(flag): the file '\(text.dropFirst())' is not UTF-8")
        }
        return content
    }

    private func bytes(_ text: String, _ flag: String) throws -> [UInt8] {
        guard text.hasPrefix("@") else { return Array(text.utf8) }
        if text.hasPrefix("@@") { return Array(text.utf8.dropFirst()) }
        do { return try readFile(String(text.dropFirst())) } catch { throw UsageError("\(flag): \(error)") }
    }

    /// Field names as the protobuf JSON mapping writes masks: lower camel case.
    private static func mask(_ text: String) -> String {
        text.split(separator: ",").map { path in
            path.split(separator: ".").map { name in
                let words = name.replacing("-", with: "_").split(separator: "_")
                return words.prefix(1).joined()
                    + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
            }.joined(separator: ".")
        }.joined(separator: ",")
    }
}

extension JSONValue {
    /// Sets a value at a path of names, making the objects on the way.
    fileprivate mutating func set(_ path: ArraySlice<String>, _ value: JSONValue, flag: String) throws {
        guard let name = path.first else {
            self = value
            return
        }
        guard case .object(var members) = self else {
            throw UsageError("--\(flag) sets a part of what another flag sets as a whole: use one of them")
        }
        var inner = members.first { $0.key == name }?.value ?? .object([])
        if path.count == 1, members.contains(where: { $0.key == name }), case .object(let given) = value,
            case .object(let before) = inner
        {
            inner = .object(before + given)
        } else {
            try inner.set(path.dropFirst(), value, flag: flag)
        }
        if let index = members.firstIndex(where: { $0.key == name }) {
            members[index].value = inner
        } else {
            members.append((name, inner))
        }
        self = .object(members)
    }
}
