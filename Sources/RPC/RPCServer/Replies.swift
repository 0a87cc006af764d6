internal import HTTP2
internal import Primitives
internal import RPC

/// The header lists of answers, laid out once.
enum Replies {
    /// Begins a response with messages.
    static let head = FixedHeaders([(":status", "200"), ("content-type", "application/grpc")])

    /// Begins a response with messages that may be compressed.
    static let gzipHead = FixedHeaders([
        (":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip"),
    ])

    /// What is taken of a caller who asked for something else.
    static let acceptedEncodings: Metadata = {
        var fields = HeaderFields()
        fields.append("grpc-accept-encoding", "identity, gzip")
        return Metadata(fields)
    }()

    /// Ends a response, by status code.
    static let trailers: [FixedHeaders] = statusNumbers.map { FixedHeaders([("grpc-status", $0)]) }

    /// The whole response of a call that failed before its first message, by status code.
    static let trailersOnly: [FixedHeaders] = statusNumbers.map {
        FixedHeaders([(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", $0)])
    }

    /// The whole response to a request that is not POST.
    static let methodNotAllowed = FixedHeaders([(":status", "405"), ("allow", "POST")])

    /// The whole response to a request that is not gRPC.
    static let unsupportedMediaType = FixedHeaders([(":status", "415"), ("accept-post", "application/grpc")])

    private static let statusNumbers: [StaticString] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    ]

    /// The fields of a status beside its code: message, details, and what the call adds.
    static func fields(_ status: Status, _ more: Metadata) -> HeaderFields {
        var fields = HeaderFields()
        if !status.message.isEmpty {
            fields.append("grpc-message", PercentCoding.encode(status.message.prefix(messageBytes: 4096)))
        }
        if !status.details.isEmpty {
            fields.append("grpc-status-details-bin", Base64.encode(status.details, padding: false))
        }
        var metadata = Metadata(fields)
        if !more.isEmpty { metadata.append(contentsOf: more) }
        return metadata.fields
    }
}

extension String {
    /// The text, cut to so many bytes of UTF-8 at a character's boundary: a client may refuse a longer header.
    fileprivate func prefix(messageBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var result = ""
        for character in self {
            guard result.utf8.count + character.utf8.count <= limit else { break }
            result.append(character)
        }
        return result
    }
}
