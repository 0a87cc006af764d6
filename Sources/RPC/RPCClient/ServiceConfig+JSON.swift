internal import Protobuf
internal import RPC

/// A service config that is wrong: which field, and what it must be.
public struct ServiceConfigError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The field's path, such as `methodConfig[0].retryPolicy.maxAttempts`; empty for the text as a whole.
    public var field: String
    /// What is wrong, and what would be right.
    public var reason: String

    /// The field and what is wrong with it.
    public var description: String { "service config: \(field.isEmpty ? "" : field + " ")\(reason)" }
}

extension ServiceConfig {
    /// The largest JSON text that is read, in bytes, and how deep it may be nested.
    private static let limits = JSONLimits(depth: 16, sizeBytes: 1 << 20)

    /// Reads a service config from its JSON form, as gRPC's documents have it. Fields that are not known are passed over, as
    /// the form asks for, so that a newer config can be read.
    ///
    /// - Throws: ``ServiceConfigError`` with the field that is wrong.
    public init(json: String) throws(ServiceConfigError) {
        self.init()
        do throws(JSONError) {
            try read(JSONField(try JSONValue(parsing: json, limits: Self.limits), ""))
        } catch {
            let place = error.line > 0 ? "line \(error.line), column \(error.column): " : ""
            throw ServiceConfigError(field: error.path, reason: place + error.reason)
        }
    }

    private mutating func read(_ root: JSONField) throws(JSONError) {
        try root.requireObject()
        if let policy = try root["loadBalancingPolicy"]?.string() {
            loadBalancing = try Self.policy(policy, "loadBalancingPolicy")
        }
        if let list = try root["loadBalancingConfig"]?.elements() { loadBalancing = try Self.firstKnown(list) }
        for element in try root["methodConfig"]?.elements() ?? [] { methods.append(try MethodConfig(element)) }
        try refuseDuplicates()
        if let field = root["retryThrottling"] { retryThrottling = try RetryThrottling(field) }
    }

    private static func policy(_ name: String, _ path: String) throws(JSONError) -> LoadBalancing {
        switch name.lowercased() {
        case "pick_first": return .pickFirst
        case "round_robin": return .roundRobin
        default: throw JSONError(reason: "is \"\(name)\"; it must be pick_first or round_robin", path: path)
        }
    }

    /// The first policy of a list that is known here; each element is an object with one key, its name.
    private static func firstKnown(_ list: [JSONField]) throws(JSONError) -> LoadBalancing {
        for element in list {
            try element.requireObject()
            guard case .object(let members) = element.value, members.count == 1 else {
                throw element.error("must have one key, the policy's name, such as {\"round_robin\": {}}")
            }
            switch members[0].key {
            case "pick_first": return .pickFirst
            case "round_robin": return .roundRobin
            default: continue
            }
        }
        throw JSONError(reason: "must name pick_first or round_robin", path: "loadBalancingConfig")
    }

    private func refuseDuplicates() throws(JSONError) {
        var seen: Set<MethodName> = []
        for (index, config) in methods.enumerated() {
            for (position, name) in config.names.enumerated() where !seen.insert(name).inserted {
                throw JSONError(
                    reason: "names \"\(name.service)/\(name.method)\" a second time; a method has one entry",
                    path: "methodConfig[\(index)].name[\(position)]"
                )
            }
        }
    }
}

extension MethodConfig {
    fileprivate init(_ field: JSONField) throws(JSONError) {
        try field.requireObject()
        self.init(names: [])
        for name in try field["name"]?.elements() ?? [] {
            try name.requireObject()
            let service = try name["service"]?.string() ?? ""
            let method = try name["method"]?.string() ?? ""
            guard !service.isEmpty || method.isEmpty else {
                throw name.error("has the method \"\(method)\" and no service; it must have both")
            }
            names.append(MethodName(service: service, method: method))
        }
        timeout = try field["timeout"]?.duration(allowsZero: true)
        waitForReady = try field["waitForReady"]?.bool()
        maxRequestMessageBytes = try field["maxRequestMessageBytes"]?.integer(in: 0...Int64(UInt32.max))
        maxResponseMessageBytes = try field["maxResponseMessageBytes"]?.integer(in: 0...Int64(UInt32.max))
        if let retry = field["retryPolicy"] {
            guard field["hedgingPolicy"] == nil else {
                throw field.error("has both retryPolicy and hedgingPolicy; it must have one of them or none")
            }
            sending = .retry(try RetryPolicy(retry))
        } else if let hedging = field["hedgingPolicy"] {
            sending = .hedge(try HedgingPolicy(hedging))
        }
    }
}

extension RetryPolicy {
    fileprivate init(_ field: JSONField) throws(JSONError) {
        try field.requireObject()
        let codes = try field.required("retryableStatusCodes")
        self.init(
            maxAttempts: try field.required("maxAttempts").integer(in: 2...Int64(Int32.max)),
            initialBackoff: try field.required("initialBackoff").duration(),
            maxBackoff: try field.required("maxBackoff").duration(),
            backoffMultiplier: try field.required("backoffMultiplier").positiveNumber(),
            retryableStatusCodes: try codes.statusCodes()
        )
        guard !retryableStatusCodes.isEmpty else { throw codes.error("is empty; it must name a status at least") }
    }
}

extension HedgingPolicy {
    fileprivate init(_ field: JSONField) throws(JSONError) {
        try field.requireObject()
        self.init(
            maxAttempts: try field.required("maxAttempts").integer(in: 2...Int64(Int32.max)),
            hedgingDelay: try field["hedgingDelay"]?.duration(allowsZero: true) ?? .zero,
            nonFatalStatusCodes: try field["nonFatalStatusCodes"]?.statusCodes() ?? []
        )
    }
}

extension RetryThrottling {
    fileprivate init(_ field: JSONField) throws(JSONError) {
        try field.requireObject()
        self.init(
            maxTokens: try field.required("maxTokens").integer(in: 1...1000),
            tokenRatio: try field.required("tokenRatio").positiveNumber()
        )
        // Thousandths are what counts.
        tokenRatio = (tokenRatio * 1000).rounded(.down) / 1000
        guard tokenRatio > 0 else {
            throw try field.required("tokenRatio").error("is below a thousandth; it must be 0.001 or more")
        }
    }
}

/// A value of JSON text and where it stands.
private struct JSONField {
    var value: JSONValue
    var path: String

    init(_ value: JSONValue, _ path: String) {
        self.value = value
        self.path = path
    }

    /// A member; nil where there is none or it is null.
    subscript(key: String) -> JSONField? {
        guard let member = value[key], member != .null else { return nil }
        return JSONField(member, path.isEmpty ? key : "\(path).\(key)")
    }

    func required(_ key: String) throws(JSONError) -> JSONField {
        guard let field = self[key] else {
            throw JSONError(reason: "is required and is missing", path: path.isEmpty ? key : "\(path).\(key)")
        }
        return field
    }

    func error(_ reason: String) -> JSONError { JSONError(reason: reason, path: path) }

    private func wrongKind(_ wanted: String) -> JSONError { error("is \(value.kind); it must be \(wanted)") }

    func requireObject() throws(JSONError) {
        guard case .object = value else { throw wrongKind("an object") }
    }

    func elements() throws(JSONError) -> [JSONField] {
        guard case .array(let list) = value else { throw wrongKind("an array") }
        return list.enumerated().map { JSONField($1, "\(path)[\($0)]") }
    }

    func string() throws(JSONError) -> String {
        guard case .string(let text) = value else { throw wrongKind("a string") }
        return text
    }

    func bool() throws(JSONError) -> Bool {
        guard case .bool(let flag) = value else { throw wrongKind("true or false") }
        return flag
    }

    /// A whole number; 64-bit ones may be written as strings.
    func integer(in range: ClosedRange<Int64>) throws(JSONError) -> Int {
        let number: Int64? =
            switch value {
            case .number: value.integer
            case .string(let text): Int64(text)
            default: throw wrongKind("a whole number")
            }
        guard let number, range.contains(number) else {
            throw error("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(number)
    }

    func positiveNumber() throws(JSONError) -> Double {
        guard case .number(let text) = value else { throw wrongKind("a number") }
        guard let number = Double(text), number > 0, number.isFinite else {
            throw error("is \(text); it must be more than 0")
        }
        return number
    }

    /// A length of time like "1.5s"; also ".5s", as gRPC's documents write it.
    func duration(allowsZero: Bool = false) throws(JSONError) -> Duration {
        var whole = value
        if case .string(let text) = value, text.hasPrefix(".") { whole = .string("0" + text) }
        let duration = try whole.duration(at: path)
        guard allowsZero ? duration >= .zero : duration > .zero else {
            throw error("must be \(allowsZero ? "0s or more" : "more than 0s")")
        }
        return duration
    }

    /// Status codes by name, in any case, or by number.
    func statusCodes() throws(JSONError) -> Set<StatusCode> {
        var codes: Set<StatusCode> = []
        for element in try elements() {
            let code: StatusCode? =
                switch element.value {
                case .string(let name): StatusCode.allCases.first { $0.name == name.uppercased() }
                case .number: element.value.integer.flatMap { StatusCode(rawValue: Int(clamping: $0)) }
                default: throw element.wrongKind("a status, such as \"UNAVAILABLE\"")
                }
            guard let code, code != .ok else {
                throw element.error("is no status of a failure; it must be one like \"UNAVAILABLE\" or 14")
            }
            codes.insert(code)
        }
        return codes
    }
}
