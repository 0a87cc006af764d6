internal import RPC

// How the messages of a call travel when they are not plain protobuf (doc/compression.md of the gRPC project).
extension ClientCall {
    /// Bytes of a request message below which it is not compressed: what is sent in one packet anyway.
    private static let compressedBytesMin = 1024

    /// A framed message, compressed where that makes it smaller.
    func compressed(_ framed: [UInt8]) -> [UInt8] {
        guard framed.count - MessageFraming.prefixBytes >= Self.compressedBytesMin,
            var smaller = core.share.gzip.compress(framed, prefix: MessageFraming.prefixBytes)
        else { return framed }
        MessageFraming.seal(&smaller, isCompressed: true)
        return smaller
    }

    /// A response message as it was before it was compressed.
    func decoded(_ bytes: UnsafeRawBufferPointer, _ isCompressed: Bool) throws(RPCError) -> [UInt8] {
        guard isCompressed else { return Array(bytes) }
        guard tries.committed?.isGzip == true else {
            throw RPCError(.internal, "a message is marked as compressed, but the server named no encoding")
        }
        do throws(GzipError) {
            return try core.share.gzip.decompress(bytes, limit: messageBytes)
        } catch {
            switch error {
            case .tooLarge:
                throw RPCError(
                    .resourceExhausted,
                    "a response message is larger than the limit of \(messageBytes) bytes when it is decompressed"
                )
            case .truncated: throw RPCError(.internal, "a response message ends before its gzip data do")
            case .corrupt(let reason): throw RPCError(.internal, "a response message is not gzip as it says: \(reason)")
            }
        }
    }
}
