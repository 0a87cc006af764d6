internal import HTTP2
internal import Primitives
public import Protobuf
internal import RPC

/// Turns the messages of methods into JSON and back, for callers who speak the unary Connect protocol. Whoever has the
/// descriptors of the methods provides it (``ServerConfiguration/transcoder``).
public protocol JSONTranscoder: Sendable {
    /// The serialized request of a method that JSON text stands for.
    ///
    /// - Throws: `JSONError` with the place in the text, or the path of the field that does not fit.
    func request(_ json: UnsafeRawBufferPointer, of route: Route) throws(JSONError) -> [UInt8]

    /// JSON text for a serialized response of a method.
    ///
    /// - Throws: `JSONError` when the method is not known.
    func response(_ message: ArraySlice<UInt8>, of route: Route) throws(JSONError) -> String

    /// A serialized error detail, for people; nil when its type is not known.
    func detail(_ message: [UInt8], type: String) -> JSONValue?
}

/// How errors are worded and numbered in the Connect protocol (connectrpc.com, "Error codes").
enum ConnectError {
    /// The name of a code, such as "invalid_argument".
    static func name(_ code: StatusCode) -> String {
        // Connect spells this one as Americans do.
        code == .cancelled ? "canceled" : code.name.lowercased()
    }

    /// The HTTP status of a code.
    static func httpStatus(_ code: StatusCode) -> Int {
        switch code {
        case .ok: 200
        case .cancelled: 499
        case .invalidArgument, .failedPrecondition, .outOfRange: 400
        case .deadlineExceeded: 504
        case .notFound: 404
        case .alreadyExists, .aborted: 409
        case .permissionDenied: 403
        case .resourceExhausted: 429
        case .unimplemented: 501
        case .unknown, .internal, .dataLoss: 500
        case .unavailable: 503
        case .unauthenticated: 401
        }
    }

    /// The body of an error: code, message, and the details out of a serialized google.rpc.Status.
    static func body(_ status: Status, _ transcoder: (any JSONTranscoder)?) -> [UInt8] {
        var members: [(key: String, value: JSONValue)] = [("code", .string(name(status.code)))]
        if !status.message.isEmpty { members.append(("message", .string(status.message))) }
        let details = details(status.details, transcoder)
        if !details.isEmpty { members.append(("details", .array(details))) }
        return Array(JSONValue.object(members).written().utf8)
    }

    private static func details(_ serialized: [UInt8], _ transcoder: (any JSONTranscoder)?) -> [JSONValue] {
        parts(serialized[...]).compactMap { number, detail in
            guard number == 3 else { return nil }
            var url = ""
            var value: [UInt8] = []
            for (number, bytes) in parts(detail) {
                if number == 1 { url = String(decoding: bytes, as: UTF8.self) }
                if number == 2 { value = Array(bytes) }
            }
            let type = String(url.split(separator: "/").last ?? "")
            var members: [(key: String, value: JSONValue)] = [
                ("type", .string(type)), ("value", .string(Base64.encode(value, padding: false))),
            ]
            if let debug = transcoder?.detail(value, type: type) { members.append(("debug", debug)) }
            return .object(members)
        }
    }

    /// The fields of a message that hold bytes, as far as it is well formed: a handler may give anything as details.
    private static func parts(_ bytes: ArraySlice<UInt8>) -> [(number: Int, bytes: ArraySlice<UInt8>)] {
        var reader = WireReader(bytes)
        var parts: [(number: Int, bytes: ArraySlice<UInt8>)] = []
        while let field = try? reader.nextField() {
            if case .bytes(let bytes) = field.value { parts.append((field.number, bytes)) }
        }
        return parts
    }
}

/// A whole answer in the unary Connect protocol.
struct ConnectReply {
    /// The HTTP status.
    var status: Int
    /// What goes beside it.
    var metadata = Metadata()
    /// What gRPC would send as trailers.
    var trailers = Metadata()
    /// JSON text, perhaps compressed.
    var body: [UInt8]
    /// Whether it is.
    var isGzip = false
    /// Whether the request was compressed in a way that is not taken.
    var refusesEncoding = false

    /// Sends the answer as the whole response of a stream.
    func send(_ stream: HTTP2Stream) {
        var fields = HeaderFields()
        fields.append(":status", "\(status)")
        fields.append("content-type", "application/json")
        fields.append("content-length", "\(body.count)")
        if isGzip { fields.append("content-encoding", "gzip") }
        if refusesEncoding { fields.append("accept-encoding", "gzip") }
        if status == 415 { fields.append("accept-post", "application/grpc") }
        var all = Metadata(fields)
        all.append(contentsOf: metadata)
        var list = all.fields
        for index in 0..<trailers.fields.count {
            let (name, value) = trailers.fields.field(at: index)
            list.append("trailer-\(name)", value)
        }
        stream.letsPeerFinish = true
        stream.send(body)
        stream.finish()
        stream.respond(.none, list)
    }
}
