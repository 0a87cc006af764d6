public import Protobuf
public import RPC
internal import TrellisAPI

/// Why a call failed: the gRPC status, and what the server said about it in `google.rpc.Status`, taken apart.
public struct TrellisError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A field of the request that is wrong.
    public struct Field: Sendable, Equatable {
        /// Its path from the request down, such as `concepts[3].code`.
        public var path: String
        /// What is wrong with the value, and what would be right.
        public var reason: String

        /// A field and what is wrong with it.
        public init(path: String, reason: String) {
            self.path = path
            self.reason = reason
        }
    }

    /// Something that would have to be so for the call to succeed.
    public struct Condition: Sendable, Equatable {
        /// What it is about.
        public var subject: String
        /// How it is, and how it would have to be.
        public var reason: String

        /// A condition that does not hold.
        public init(subject: String, reason: String) {
            self.subject = subject
            self.reason = reason
        }
    }

    /// Where to read on.
    public struct Link: Sendable, Equatable {
        /// What is there.
        public var title: String
        /// Where it is.
        public var url: String

        /// A link.
        public init(title: String, url: String) {
            self.title = title
            self.url = url
        }
    }

    /// What became of the call.
    public var code: StatusCode
    /// The server's message, for people.
    public var message: String
    /// What the reason is, in UPPER_SNAKE_CASE, for programs; docs/errors.md lists them. Empty when there is none.
    public var reason = ""
    /// What the reason is about, by name.
    public var metadata: [String: String] = [:]
    /// The fields that are wrong; with INVALID_ARGUMENT.
    public var fields: [Field] = []
    /// What would have to be so; with FAILED_PRECONDITION.
    public var conditions: [Condition] = []
    /// The limits that are used up; with RESOURCE_EXHAUSTED.
    public var quotas: [Condition] = []
    /// How long to wait before it makes sense to try again.
    public var retryDelay: Duration?
    /// The message in the caller's own language; nil when the server did not say it.
    public var localizedMessage: String?
    /// What the call was about, by its type and name; nil when the server did not say it.
    public var resource: Condition?
    /// Where to read on.
    public var links: [Link] = []
    /// What developers of the server wrote; empty when there is nothing.
    public var debugDetail = ""
    /// Every detail as it came, by the full name of its message and its serialized form.
    public var details: [Detail] = []

    /// A detail as it came.
    public struct Detail: Sendable, Equatable {
        /// The full name of the message, such as "google.rpc.Help".
        public var name: String
        /// The serialized message.
        public var bytes: [UInt8]

        /// A detail.
        public init(name: String, bytes: [UInt8]) {
            self.name = name
            self.bytes = bytes
        }
    }

    /// The details of one type, such as `details(as: Help.self)`; what cannot be decoded is left out.
    public func details<Wanted: Message>(as type: Wanted.Type) -> [Wanted] {
        details.compactMap { $0.name == Wanted.fullName ? try? Wanted(serialized: $0.bytes) : nil }
    }

    /// The id by which the server's logs know the call; empty when it did not say.
    public var requestID = ""

    /// An error without details.
    public init(_ code: StatusCode, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The error of a call with its details decoded. Details that cannot be decoded are left out: they only add to the
    /// status, which stands without them.
    public init(_ error: RPCError) {
        self.init(error.code, error.message)
        if let id = error.metadata["x-request-id"] { requestID = id }
        guard !error.details.isEmpty, let status = try? RPCStatus(serialized: error.details) else { return }
        for detail in status.details { read(detail) }
    }

    private mutating func read(_ detail: AnyMessage) {
        let name = detail.typeURL.split(separator: "/").last.map(String.init) ?? ""
        details.append(Detail(name: name, bytes: detail.value))
        switch name {
        case ErrorInfo.fullName:
            guard let info = try? ErrorInfo(serialized: detail.value) else { return }
            (reason, metadata) = (info.reason, info.metadata)
        case BadRequest.fullName:
            guard let request = try? BadRequest(serialized: detail.value) else { return }
            fields += request.fieldViolations.map { Field(path: $0.field, reason: $0.description) }
        case PreconditionFailure.fullName:
            guard let failure = try? PreconditionFailure(serialized: detail.value) else { return }
            conditions += failure.violations.map { Condition(subject: $0.subject, reason: $0.description) }
        case QuotaFailure.fullName:
            guard let failure = try? QuotaFailure(serialized: detail.value) else { return }
            quotas += failure.violations.map { Condition(subject: $0.subject, reason: $0.description) }
        case RetryInfo.fullName:
            retryDelay = (try? RetryInfo(serialized: detail.value))?.retryDelay?.duration
        case RequestInfo.fullName:
            guard let info = try? RequestInfo(serialized: detail.value) else { return }
            requestID = info.requestID
        case LocalizedMessage.fullName:
            localizedMessage = (try? LocalizedMessage(serialized: detail.value))?.message
        case ResourceInfo.fullName:
            guard let info = try? ResourceInfo(serialized: detail.value) else { return }
            resource = Condition(subject: "\(info.resourceType) \(info.resourceName)", reason: info.description)
        case Help.fullName:
            guard let help = try? Help(serialized: detail.value) else { return }
            links += help.links.map { Link(title: $0.description, url: $0.url) }
        case DebugInfo.fullName:
            debugDetail = (try? DebugInfo(serialized: detail.value))?.detail ?? ""
        default: break  // A detail of a newer server.
        }
    }

    /// The status, the message and the fields, on one line.
    public var description: String {
        let fields = fields.map { "\($0.path): \($0.reason)" }.joined(separator: "; ")
        return "\(code.name): \(message)" + (reason.isEmpty ? "" : " [\(reason)]")
            + (fields.isEmpty ? "" : " (\(fields))")
    }
}
