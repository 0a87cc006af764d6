internal import Files
internal import Protobuf
internal import RPC
internal import Terminal

/// Reads a scenario file (docs/load.md, "Scenarios"), and says of what is wrong in which line it is and what would be right.
struct ScenarioReader {
    /// The most flows, and the most steps of a flow.
    static let flowsMax = 100
    static let stepsMax = 1000
    /// The most requests of a streaming call.
    static let messagesMax = 1_000_000

    private let name: String
    private let folder: String
    private let document: CommentedJSON
    private let process: (index: Int, count: Int)
    private var scope: TemplateScope
    private var labels: [String: (index: Int, path: String)] = [:]

    /// - Parameters:
    ///   - name: the file's path, for messages; feeders' files are looked for beside it.
    ///   - process: of how many processes this is which.
    init(
        _ text: String,
        name: String,
        process: (index: Int, count: Int) = (0, 1),
        environment: @escaping (String) -> String? = Terminal.environment
    ) throws(UsageError) {
        self.name = name
        self.process = process
        folder = Files.parent(of: name)
        do { document = try CommentedJSON(text) } catch { throw UsageError("'\(name)', \(error)") }
        scope = TemplateScope(environment: environment)
    }

    /// What is wrong at a place.
    private func wrong(_ path: [String], _ reason: String) -> UsageError {
        var shown = ""
        for part in path { shown += Int(part) != nil ? "[\(part)]" : shown.isEmpty ? part : ".\(part)" }
        return UsageError(
            "'\(name)', line \(document.line(of: path)): \(shown.isEmpty ? "the scenario" : shown) \(reason)"
        )
    }

    /// The members of an object, whose names must be among those that are known.
    private func object(_ value: JSONValue, _ path: [String], _ known: [String]) throws(UsageError) -> [String:
        JSONValue]
    {
        guard let members = value.members else { throw wrong(path, "is \(value.kind); it must be an object") }
        for member in members where !known.contains(member.key) {
            let guess = Suggestion.closest(to: member.key, among: known).map { "did you mean \($0)?" }
            throw wrong(path + [member.key], "is not known; \(guess ?? "there are \(known.joined(separator: ", "))")")
        }
        return Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    private func text(_ value: JSONValue, _ path: [String]) throws(UsageError) -> String {
        guard let text = value.text, !text.isEmpty else {
            throw wrong(path, "is \(value.text == nil ? value.kind : "empty"); it must be a text")
        }
        return text
    }

    private func list(_ value: JSONValue?, _ path: [String], _ most: Int) throws(UsageError) -> [JSONValue] {
        guard let value else { throw wrong(Array(path.dropLast()), "has no \"\(path.last ?? "")\"") }
        guard let elements = value.elements else { throw wrong(path, "is \(value.kind); it must be an array") }
        guard 1...most ~= elements.count else {
            throw wrong(path, "has \(elements.count) elements; there must be 1 to \(most)")
        }
        return elements
    }

    private func template<Value>(
        _ path: [String],
        _ body: () throws(TemplateError) -> Value
    ) throws(UsageError) -> Value {
        do throws(TemplateError) { return try body() } catch { throw wrong(path, "is wrong: \(error)") }
    }

    // MARK: The file

    private static let keys = ["about", "feeders", "metadata", "deadline", "setup", "flows"]

    /// The scenario.
    mutating func read(_ contract: Contract) throws(UsageError) -> Scenario {
        let top = try object(document.value, [], Self.keys)
        let feeders = try readFeeders(top["feeders"])
        for feeder in feeders { scope.feeders[feeder.name] = feeder.columns }
        let metadata = top["metadata"]
        let deadline = try top["deadline"].map { value throws(UsageError) in try duration(value, ["deadline"]) }
        var defaults = Defaults(contract: contract, deadline: deadline)
        if let metadata { defaults.metadata = try members(metadata, ["metadata"]) }
        var setup: [Step] = []
        if let value = top["setup"] {
            for (index, value) in try list(value, ["setup"], Self.stepsMax).enumerated() {
                setup.append(try step(value, ["setup", "\(index)"], defaults))
            }
            labels = [:]
        }
        let saved = scope.saved
        var flows: [Flow] = []
        for (index, value) in try list(top["flows"], ["flows"], Self.flowsMax).enumerated() {
            scope.saved = saved
            flows.append(try flow(value, ["flows", "\(index)"], defaults, index))
        }
        for (index, flow) in flows.enumerated() where flows[..<index].contains(where: { $0.name == flow.name }) {
            throw wrong(["flows", "\(index)", "name"], "is \"\(flow.name)\", as another flow's; names must differ")
        }
        guard flows.contains(where: { $0.weight > 0 }) else {
            throw wrong(["flows"], "have no weight above 0; one at least must")
        }
        return Scenario(setup: setup, flows: flows, feeders: feeders, pool: contract.pool)
    }

    private struct Defaults {
        var contract: Contract
        var metadata: [(key: String, value: JSONValue)] = []
        var deadline: UInt64?
    }

    private func members(_ value: JSONValue, _ path: [String]) throws(UsageError) -> [(key: String, value: JSONValue)] {
        guard let members = value.members else { throw wrong(path, "is \(value.kind); it must be an object") }
        return members
    }

    private func duration(_ value: JSONValue, _ path: [String]) throws(UsageError) -> UInt64 {
        guard let text = value.text, let duration = DurationText.parse(text), duration > 0 else {
            throw wrong(path, "is \(value.written()); it must be \(DurationText.expectation)")
        }
        return duration
    }

    private func readFeeders(_ value: JSONValue?) throws(UsageError) -> [Feeder] {
        guard let value else { return [] }
        var feeders: [Feeder] = []
        for (name, value) in try members(value, ["feeders"]) {
            let path = ["feeders", name]
            let parts = try object(value, path, ["file", "order"])
            guard let file = parts["file"] else { throw wrong(path, "has no \"file\"") }
            let orders = Feeder.Order.allCases.map(\.rawValue).joined(separator: ", ")
            let word = try parts["order"].map { value throws(UsageError) in try text(value, path + ["order"]) }
            guard let order = Feeder.Order(rawValue: word ?? "circular") else {
                throw wrong(path + ["order"], "is \"\(word ?? "")\"; it must be one of \(orders)")
            }
            let given = try text(file, path + ["file"])
            let full = given.hasPrefix("/") ? given : "\(folder)/\(given)"
            do {
                feeders.append(try Feeder(name: name, file: full, order: order, process: process))
            } catch {
                throw wrong(path + ["file"], "cannot be used: \(error)")
            }
        }
        return feeders
    }

    // MARK: Flows and steps

    private mutating func flow(
        _ value: JSONValue,
        _ path: [String],
        _ defaults: Defaults,
        _ index: Int
    ) throws(UsageError) -> Flow {
        let parts = try object(value, path, ["name", "weight", "steps"])
        var weight = 1.0
        if let value = parts["weight"] {
            guard case .number(let text) = value, let number = Double(text), 0...1e9 ~= number else {
                throw wrong(path + ["weight"], "is \(value.written()); it must be a number from 0 to 1e9")
            }
            weight = number
        }
        let name = try parts["name"].map { value throws(UsageError) in try text(value, path + ["name"]) }
        var steps: [Step] = []
        for (index, value) in try list(parts["steps"], path + ["steps"], Self.stepsMax).enumerated() {
            steps.append(try step(value, path + ["steps", "\(index)"], defaults))
        }
        let needsVariables = steps.contains { step in
            if case .call(let call) = step { return call.needsVariables }
            return false
        }
        return Flow(name: name ?? "flow \(index + 1)", weight: weight, steps: steps, needsVariables: needsVariables)
    }

    private static let callKeys = [
        "call", "name", "request", "messages", "metadata", "deadline", "expect", "save", "continue",
    ]

    private mutating func step(_ value: JSONValue, _ path: [String], _ defaults: Defaults) throws(UsageError) -> Step {
        if let pause = value["pause"] {
            _ = try object(value, path, ["pause"])
            return .pause(try range(pause, path + ["pause"]))
        }
        let parts = try object(value, path, Self.callKeys)
        guard let called = parts["call"] else { throw wrong(path, "has neither \"call\" nor \"pause\"") }
        let wanted = try text(called, path + ["call"])
        let method = try template(path + ["call"]) { () throws(TemplateError) in try defaults.contract.method(wanted) }
        let label = try parts["name"].map { value throws(UsageError) in try text(value, path + ["name"]) }
        var call = CallStep(
            index: try index(label ?? method.name, method.path, path),
            label: label ?? method.name,
            path: method.path,
            kind: CallStep.Kind(method),
            request: try request(parts["request"] ?? .object([]), path + ["request"], method, defaults.contract)
        )
        call.output = method.output
        if let value = parts["messages"] {
            guard method.isClientStreaming else {
                throw wrong(path + ["messages"], "is for methods that take a stream; \(method.name) takes one request")
            }
            guard let count = value.integer, 1...Int64(Self.messagesMax) ~= count else {
                throw wrong(path + ["messages"], "is \(value.written()); it must be from 1 to \(Self.messagesMax)")
            }
            call.messages = Int(count)
        }
        try readMetadata(parts["metadata"], path, defaults, &call)
        call.deadline =
            try parts["deadline"].map { value throws(UsageError) in try duration(value, path + ["deadline"]) }
            ?? defaults.deadline
        if let value = parts["expect"] { call.expected = try statuses(value, path + ["expect"]) }
        if let value = parts["continue"] {
            guard case .bool(let continues) = value else {
                throw wrong(path + ["continue"], "is \(value.kind); it must be true or false")
            }
            call.continues = continues
        }
        if let value = parts["save"] { call.saves = try saves(value, path + ["save"], method, defaults.contract) }
        for save in call.saves { scope.saved.insert(save.name) }
        return .call(call)
    }

    /// The number of a label, under which calls of one method count together.
    private mutating func index(_ label: String, _ method: String, _ path: [String]) throws(UsageError) -> Int {
        if let known = labels[label] {
            guard known.path == method else {
                throw wrong(path, "is called \"\(label)\" like calls of \(known.path); give it another \"name\"")
            }
            return known.index
        }
        labels[label] = (labels.count, method)
        return labels.count - 1
    }

    private func range(_ value: JSONValue, _ path: [String]) throws(UsageError) -> ClosedRange<UInt64> {
        guard let text = value.text, let between = text.firstRange(of: "..") else {
            let exact = try duration(value, path)
            return exact...exact
        }
        let low = DurationText.parse(text[..<between.lowerBound])
        let high = DurationText.parse(text[between.upperBound...])
        guard let low, let high, low <= high else {
            throw wrong(path, "is \"\(text)\"; it must be a time, or two such as 10ms..50ms, the shorter one first")
        }
        return low...high
    }

    private func request(
        _ value: JSONValue,
        _ path: [String],
        _ method: MethodDescriptor,
        _ contract: Contract
    ) throws(UsageError) -> CallStep.Request {
        let made = try template(path) { () throws(TemplateError) in try JSONTemplate(value, scope) }
        guard let constant = made.constant else {
            try checkNames(value, path, method.input, contract)
            return .template(made, message: method.input)
        }
        do throws(JSONError) {
            return .bytes(try contract.pool.serialize(constant, as: method.input))
        } catch {
            throw wrong(path + error.path.split(separator: ".").map(String.init), "is wrong: \(error.reason)")
        }
    }

    /// Looks up the names of fields in a request whose values are known only when it is made.
    private func checkNames(
        _ value: JSONValue,
        _ path: [String],
        _ message: String,
        _ contract: Contract
    ) throws(UsageError) {
        guard let members = value.members, let descriptor = contract.pool.messages[message],
            // Messages of these have a JSON form of their own, and entries of maps any key.
            !message.hasPrefix("google.protobuf."), !descriptor.isMapEntry
        else { return }
        for member in members {
            guard let field = descriptor.field(named: member.key) else {
                let names = descriptor.fields.map(\.jsonName)
                let guess = Suggestion.closest(to: member.key, among: names).map { "did you mean \($0)?" }
                throw wrong(
                    path + [member.key],
                    "is no field of \(message); \(guess ?? "it has \(names.joined(separator: ", "))")"
                )
            }
            guard field.kind == .message else { continue }
            try checkNames(member.value, path + [member.key], field.typeName, contract)
            for (index, element) in (member.value.elements ?? []).enumerated() {
                try checkNames(element, path + [member.key, "\(index)"], field.typeName, contract)
            }
        }
    }

    private func readMetadata(
        _ value: JSONValue?,
        _ path: [String],
        _ defaults: Defaults,
        _ call: inout CallStep
    ) throws(UsageError) {
        var own: [(key: String, value: JSONValue)] = []
        if let value { own = try members(value, path + ["metadata"]) }
        let inherited = defaults.metadata.filter { other in !own.contains { $0.key == other.key } }
        for (index, member) in (inherited + own).enumerated() {
            let place = (index < inherited.count ? ["metadata"] : path + ["metadata"]) + [member.key]
            guard let text = member.value.text else { throw wrong(place, "is \(member.value.kind); it must be a text") }
            if let reason = MetadataName.fault(member.key) { throw wrong(place, reason) }
            call.metadata.append(
                (member.key, try template(place) { () throws(TemplateError) in try TextTemplate(text, scope) })
            )
        }
        call.settleMetadata()
    }

    private func statuses(_ value: JSONValue, _ path: [String]) throws(UsageError) -> Set<StatusCode> {
        var result: Set<StatusCode> = []
        for (index, value) in try list(value, path, StatusCode.allCases.count).enumerated() {
            guard let code = StatusCode.allCases.first(where: { $0.name == value.text }) else {
                let names = StatusCode.allCases.map(\.name)
                let guess = value.text.flatMap { Suggestion.closest(to: $0.uppercased(), among: names) }
                throw wrong(
                    path + ["\(index)"],
                    "is \(value.written()), which is no status; "
                        + (guess.map { "did you mean \($0)?" } ?? "there are \(names.joined(separator: ", "))")
                )
            }
            result.insert(code)
        }
        return result
    }

    private func saves(
        _ value: JSONValue,
        _ path: [String],
        _ method: MethodDescriptor,
        _ contract: Contract
    ) throws(UsageError) -> [(name: String, path: ResponsePath)] {
        var result: [(name: String, path: ResponsePath)] = []
        for member in try members(value, path) {
            let text = try text(member.value, path + [member.key])
            guard let found = ResponsePath(text) else {
                throw wrong(path + [member.key], "is \"\(text)\"; it must be a path such as site.id or sites[0].id")
            }
            // The first field can be looked up now; what is below it may be a map or a list.
            let fields = contract.pool.messages[method.output]?.fields ?? []
            if case .key(let key)? = found.parts.first, !fields.contains(where: { $0.jsonName == key }) {
                throw wrong(
                    path + [member.key],
                    "begins with \(key), which \(method.output) does not have; it has "
                        + fields.map(\.jsonName).joined(separator: ", ")
                )
            }
            result.append((member.key, found))
        }
        return result
    }
}
