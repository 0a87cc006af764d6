import Files
import Protobuf
import Terminal

/// `trellis call`, `list` and `describe`: the API by its own names.
enum CallCommands {
    static func call(_ messages: DynamicMessages) -> Command {
        Command(
            name: "call",
            usage: "SERVICE/METHOD [JSON|@FILE|-] [FLAGS]",
            summary: "Call a method with a request in JSON.",
            details:
                "The request follows the protobuf JSON mapping; without one it is empty. The response is printed as "
                + "JSON. SERVICE is the full name, its last part, or the command.",
            examples: [
                #"trellis call TenancyService/CreateSite '{"displayName": "Lima"}'"#,
                "trellis call tenancy/list-sites",
            ]
        ) { context in
            guard let path = context.words.first, context.words.count <= 2 else {
                throw UsageError("SERVICE/METHOD is needed, and a request at most")
            }
            guard let method = context.catalog.method(path: path) else { throw unknown(path, context.catalog) }
            let text = try content(context.words.count == 2 ? context.words[1] : "{}")
            let request: JSONValue
            do { request = try JSONValue(parsing: text) } catch { throw UsageError("the request is no JSON: \(error)") }
            var inner = context.session
            inner.json = true
            try await RPCCommand(method: method, catalog: context.catalog, messages: messages)
                .call(request, Context(parsed: context.parsed, session: inner, catalog: context.catalog))
        }
    }

    private static func content(_ word: String) throws -> String {
        do {
            if word == "-" { return String(decoding: try Files.readStandardInput(), as: UTF8.self) }
            if word.hasPrefix("@") { return String(decoding: try Files.read(String(word.dropFirst())), as: UTF8.self) }
            return word
        } catch {
            throw UsageError("\(error)")
        }
    }

    private static func unknown(_ path: String, _ catalog: Catalog) -> UsageError {
        let names = catalog.services.flatMap { service in
            service.methods.map { "\(service.fullName.split(separator: ".").last ?? "")/\($0.name)" }
        }
        let guess = Suggestion.closest(to: path, among: names).map { ": did you mean \($0)?" }
        return UsageError("no method '\(path)'" + (guess ?? ": 'trellis list' lists them"))
    }

    static let list = Command(
        name: "list",
        usage: "[SERVICE] [FLAGS]",
        summary: "List the services and their methods."
    ) { context in
        let wanted = context.words.first
        let services = context.catalog.services.filter { service in
            wanted.map { $0 == service.command || service.fullName.hasSuffix($0) } ?? true
        }
        guard !services.isEmpty else { throw UsageError("no service '\(wanted ?? "")': 'trellis list' lists them") }
        var table = TextTable(header: ["COMMAND", "METHOD", "WHAT IT DOES"])
        var rows: [JSONValue] = []
        for service in services {
            for method in service.methods {
                let summary = Words.firstSentence(method.comment)
                table.add(["\(service.command) \(method.command)", method.name, summary])
                rows.append(
                    .object([
                        ("command", .string("\(service.command) \(method.command)")), ("path", .string(method.path)),
                        ("permission", .string(method.permission)), ("summary", .string(summary)),
                    ])
                )
            }
        }
        context.show(.array(rows), table.lines(width: Terminal.width(.output)))
    }

    static let describe = Command(
        name: "describe",
        usage: "NAME [FLAGS]",
        summary: "Show the fields of a message or the values of an enum.",
        examples: ["trellis describe Site", "trellis describe trellis.reference.v1.ConceptKind"]
    ) { context in
        guard let name = context.words.first, context.words.count == 1 else {
            throw UsageError("the NAME of a message or an enum is needed")
        }
        func matches(_ full: String) -> Bool { full == name || full.hasSuffix(".\(name)") }
        let width = Terminal.width(.output)
        if let message = context.catalog.messages.values.filter({ matches($0.fullName) })
            .min(by: { $0.fullName < $1.fullName })
        {
            var table = TextTable(header: ["FIELD", "TYPE", "WHAT IT IS"])
            for field in message.fields {
                table.add([field.name, type(field), field.comment])
            }
            let rows = message.fields.map { field in
                JSONValue.object([
                    ("name", .string(field.name)), ("type", .string(type(field))), ("comment", .string(field.comment)),
                ])
            }
            context.show(
                .object([("message", .string(message.fullName)), ("fields", .array(rows))]),
                [message.fullName, ""] + table.lines(width: width)
            )
        } else if let found = context.catalog.enums.values.filter({ matches($0.fullName) })
            .min(by: { $0.fullName < $1.fullName })
        {
            var table = TextTable(header: ["VALUE", "SHORT", "WHAT IT IS"])
            for value in found.values { table.add([value.name, found.short(value.name), value.comment]) }
            context.show(
                .object([
                    ("enum", .string(found.fullName)), ("values", .array(found.values.map { .string($0.name) })),
                ]),
                [found.fullName, ""] + table.lines(width: width)
            )
        } else {
            let names = (Array(context.catalog.messages.keys) + Array(context.catalog.enums.keys))
                .compactMap { $0.split(separator: ".").last.map(String.init) }
            let guess = Suggestion.closest(to: name, among: names).map { ": did you mean '\($0)'?" }
            throw UsageError("no message or enum '\(name)'" + (guess ?? ""))
        }
    }

    private static func type(_ field: CatalogField) -> String {
        let name =
            switch field.kind {
            case .bool: "bool"
            case .integer: "integer"
            case .number: "number"
            case .string: "string"
            case .bytes: "bytes"
            case .enumeration(let name), .message(let name): name.split(separator: ".").last.map(String.init) ?? name
            }
        return field.isMap ? "map" : field.isRepeated ? "list of \(name)" : name
    }
}
