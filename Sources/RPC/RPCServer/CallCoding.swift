internal import EventLoop
internal import HTTP2
public import RPC

/// Whether a call's responses are compressed, as far as its caller takes it and it makes them smaller.
public enum ResponseCompression: Sendable {
    /// When the caller says that it compresses its requests.
    case mirrored
    /// Whether it does or not.
    case gzip
    /// Never: for secrets beside text that somebody else chooses, which a compressed size can betray.
    case none
}

/// How the messages of a call travel when they are not plain protobuf, as they nearly always are. Confined to its loop.
@usableFromInline final class CallCoding {
    /// Whether the call is one in JSON, and not gRPC.
    let isJSON: Bool
    /// Whether the caller's grpc-encoding, or content-encoding, is gzip.
    var requestIsGzip = false
    /// Whether the request message that came last is compressed.
    var messageIsCompressed = false
    /// What the handler wishes.
    var wish = ResponseCompression.mirrored
    /// Whether responses are compressed; once the response has begun, it can only become false.
    var compressesResponses = false

    /// Whether the request was compressed in a way that is not taken.
    var refusesEncoding = false
    /// The answer in JSON, once there is one.
    var body: [UInt8] = []
    /// Whether it is compressed.
    var bodyIsGzip = false

    init(isJSON: Bool = false) {
        self.isJSON = isJSON
    }
}

extension ServerContext {
    /// Whether the responses are compressed; ``ResponseCompression/mirrored`` where nothing is said.
    ///
    /// A response is compressed when the caller's grpc-accept-encoding has gzip, the response is not smaller than
    /// ``ServerConfiguration/compressedBytesMin``, and becomes smaller by it. Asking for compression after the first message
    /// was sent has no effect; refusing it has.
    public var responseCompression: ResponseCompression {
        get { coding?.wish ?? .mirrored }
        set {
            loop.assertOnLoop()
            let coding = coding ?? CallCoding()
            self.coding = coding
            coding.wish = newValue
            switch newValue {
            case .none: coding.compressesResponses = false
            case .gzip: begin(compressing: coding)
            case .mirrored:
                if coding.requestIsGzip { begin(compressing: coding) } else { coding.compressesResponses = false }
            }
        }
    }

    /// Whether the request message that came last was compressed.
    public var requestIsCompressed: Bool { coding?.messageIsCompressed ?? false }

    private func begin(compressing coding: CallCoding) {
        guard !headersSent, !coding.isJSON else { return }
        coding.compressesResponses = metadata.accepts("gzip", in: "grpc-accept-encoding")
    }

    /// Takes note that the caller may compress its requests.
    func takesGzip() {
        let coding = CallCoding()
        coding.requestIsGzip = true
        self.coding = coding
        begin(compressing: coding)
    }

    /// Takes note of whether the message that has come is compressed.
    ///
    /// - Returns: whether it may be.
    func note(isCompressed: Bool) -> Bool {
        guard let coding else { return !isCompressed }
        coding.messageIsCompressed = isCompressed
        return !isCompressed || coding.requestIsGzip
    }

    /// A request message as it was before it was compressed.
    @usableFromInline func decoded(_ bytes: UnsafeRawBufferPointer) throws(RPCError) -> [UInt8] {
        guard let coding, coding.messageIsCompressed else { return Array(bytes) }
        return try inflated(bytes, "grpc-encoding gzip")
    }

    /// Decompresses what the caller says is gzip.
    func inflated(_ bytes: UnsafeRawBufferPointer, _ claim: String) throws(RPCError) -> [UInt8] {
        let limit = connection.limits.messageBytes
        do {
            return try connection.gzip.decompress(bytes, limit: limit)
        } catch {
            switch error {
            case .tooLarge:
                throw RPCError(
                    .resourceExhausted,
                    "a request message is larger than the limit of \(limit) bytes when it is decompressed"
                )
            case .truncated: throw RPCError(.internal, "a request message ends before its gzip data do")
            case .corrupt(let reason):
                throw RPCError(.internal, "a request message is not what \(claim) says: \(reason)")
            }
        }
    }

    /// The request of a method that takes one, when it did not come as plain protobuf.
    func codedRequest(_ name: String, _ coding: CallCoding) throws -> [UInt8] {
        guard !coding.isJSON else { return try transcodedRequest(name, coding) }
        defer { releaseRequest() }
        return try decoded(requestBytes())
    }

    /// Fills in the prefix of a response message, which is compressed where that is wanted and worth it.
    func seal(_ framed: inout [UInt8], _ coding: CallCoding) {
        let size = framed.count - MessageFraming.prefixBytes
        guard coding.compressesResponses, size >= connection.configuration.compressedBytesMin,
            var smaller = connection.gzip.compress(framed, prefix: MessageFraming.prefixBytes)
        else { return MessageFraming.seal(&framed) }
        MessageFraming.seal(&smaller, isCompressed: true)
        framed = smaller
    }
}
