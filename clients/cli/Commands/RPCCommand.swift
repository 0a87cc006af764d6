import Protobuf
import Terminal
import TrellisClient

/// An RPC as a command: `trellis tenancy create-site --display-name Lima`.
struct RPCCommand {
    let method: CatalogMethod
    let catalog: Catalog
    let messages: DynamicMessages

    /// The flag that reads a list to its end.
    private static let all = Flag("all", .toggle, help: "Read all pages, not only the first.")

    private var isList: Bool { catalog.messages[method.input]?.field("page_token") != nil }

    var flags: [Flag] { RequestFlags(method.input, catalog: catalog).flags + (isList ? [Self.all] : []) }

    /// The flag that sets each field of the request, for errors that name fields.
    var flagsByField: [String: String] {
        Dictionary(
            RequestFlags(method.input, catalog: catalog).entries.map {
                ($0.path.map(\.name).joined(separator: "."), $0.name)
            },
            uniquingKeysWith: { first, _ in first }
        )
    }

    func run(_ context: Context) async throws {
        let request = try RequestBuilder(catalog: catalog, method: method).request(context.parsed)
        do {
            try await call(request, context, readsAll: isList && context.parsed.isOn("all"))
        } catch let error as TrellisError {
            if let id = request["requestId"]?.text, error.isOutcomeOpen {
                context.note("it may have happened: the same command with --request-id \(id) does it once")
            }
            throw error
        }
    }

    /// Makes the call with a request in JSON and prints what comes back.
    func call(_ request: JSONValue, _ context: Context, readsAll: Bool = false) async throws {
        try await context.withConnection { connection in
            if method.isServerStreaming {
                return try await stream(request, context, connection)
            }
            var response = try await messages.call(method, request, connection)
            if readsAll { response = try await readRest(of: response, request, connection) }
            let view = ResponseView(catalog: catalog, message: method.output, width: Terminal.width(.output))
            context.show(response, view.lines(response))
            if let note = view.note(response) { context.note(note) }
        }
    }

    private func stream(_ request: JSONValue, _ context: Context, _ connection: TrellisConnection) async throws {
        let view = ResponseView(catalog: catalog, message: method.output, width: Terminal.width(.output))
        try await messages.stream(method, request, connection) { response in
            // A line each: a stream of JSON values is easier to read for programs than one long array.
            let lines = context.session.json ? [response.written()] : view.lines(response)
            // Whoever has read enough (`| head`) wants the call to end, too.
            for line in lines where !Terminal.print(line) { throw CancellationError() }
        }
    }

    /// Reads the other pages and joins their lists.
    private func readRest(
        of first: JSONValue,
        _ request: JSONValue,
        _ connection: TrellisConnection
    ) async throws -> JSONValue {
        let list = catalog.messages[method.output]?.fields.first { $0.isRepeated && !$0.isMap }
        guard let list else { return first }
        var elements = first[list.jsonName]?.elements ?? []
        var token = first["nextPageToken"]?.text ?? ""
        var progress = ProgressBar("Reading", total: 0, unit: list.name.replacing("_", with: " "))
        defer { progress.finish() }
        while !token.isEmpty {
            let page = try await messages.call(method, request.replacing("pageToken", .string(token)), connection)
            elements += page[list.jsonName]?.elements ?? []
            token = page["nextPageToken"]?.text ?? ""
            progress.update(elements.count)
        }
        return first.replacing(list.jsonName, .array(elements)).replacing("nextPageToken", .string(""))
    }

    /// The help page, out of the proto file.
    var help: HelpPage {
        let service = catalog.services.first { $0.fullName == method.service }
        var page = HelpPage(
            usage: "trellis \(service?.command ?? method.service) \(method.command) [FLAGS]",
            summary: Words.paragraphs(method.comment)
        )
        var facts = [method.writes ? "Changes data." : "Only reads."]
        if !method.permission.isEmpty { facts.append("Needs the permission \(method.permission).") }
        if !method.scope.isEmpty { facts.append("Takes \(method.scope).") }
        page.add(text: facts.joined(separator: " "))
        page.add("Flags", flags: flags)
        page.add("Flags of every command", flags: Session.flags)
        return page
    }
}

extension JSONValue {
    /// The object with a member set.
    fileprivate func replacing(_ key: String, _ value: JSONValue) -> JSONValue {
        guard case .object(var members) = self else { return self }
        if let index = members.firstIndex(where: { $0.key == key }) {
            members[index].value = value
        } else {
            members.append((key, value))
        }
        return .object(members)
    }
}
