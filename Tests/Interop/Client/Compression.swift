import InteropAPI
import RPC
import RPCClient

extension Case {
    /// Requests and responses that are compressed or not, message by message.
    ///
    /// The client does not show whether a message came compressed. What is checked is the encoding that the server named for
    /// the call; test_compression.py reads the flags of our server's messages on the wire.
    static let compression = [
        Case("client_compressed_unary") { session in
            var compressing = session.options()
            compressing.compression = .gzip
            try await expectFailure([.invalidArgument]) {
                _ = try await session.unary(expecting(true))
            }
            try expectZeros(
                try await session.unary(expecting(true), compressing).message.payload,
                Sizes.largeResponse
            )
            try expectZeros(try await session.unary(expecting(false)).message.payload, Sizes.largeResponse)
        },
        Case("client_compressed_streaming") { session in
            let first = StreamingInputCallRequest(
                payload: zeros(27_182),
                expectCompressed: BoolValue(value: true)
            )
            try await expectFailure([.invalidArgument]) {
                _ = try await session.streamingInput { try await $0.send(first) }
            }
            let total = try await session.streamingInput(compression: .gzip) { requests in
                try await requests.send(first)
                try await requests.send(
                    StreamingInputCallRequest(payload: zeros(45_904), expectCompressed: BoolValue(value: false)),
                    compresses: false
                )
            }.aggregatedPayloadSize
            try expect(total == 73_086, "aggregated_payload_size is \(total); it must be 73086")
        },
        Case("server_compressed_unary") { session in
            for wanted in [true, false] {
                var request = largeRequest
                request.responseCompressed = BoolValue(value: wanted)
                let response = try await session.unary(request)
                try expectZeros(response.message.payload, Sizes.largeResponse)
                try expectEncoding(response.metadata, isGzip: wanted)
            }
        },
        Case("server_compressed_streaming") { session in
            let wanted: [(size: Int32, isCompressed: Bool)] = [(31_415, true), (92_653, false)]
            let stream = session.streamingOutput(
                StreamingOutputCallRequest(
                    responseParameters: wanted.map {
                        ResponseParameters(size: $0.size, compressed: BoolValue(value: $0.isCompressed))
                    }
                )
            )
            var count = 0
            for try await response in stream {
                try expect(count < wanted.count, "more than \(wanted.count) responses came")
                try expectZeros(response.payload, wanted[count].size)
                count += 1
            }
            try expect(count == wanted.count, "\(count) responses came, not \(wanted.count)")
            try expectEncoding(await stream.metadata(), isGzip: true)
        },
    ]

    private static func expecting(_ isCompressed: Bool) -> SimpleRequest {
        var request = largeRequest
        request.expectCompressed = BoolValue(value: isCompressed)
        return request
    }

    private static func expectEncoding(_ metadata: Metadata, isGzip: Bool) throws(CaseFailure) {
        let encoding = metadata.first("grpc-encoding") ?? "identity"
        let wanted = isGzip ? "gzip" : "identity"
        try expect(encoding == wanted, "grpc-encoding is \(encoding); the server was asked for \(wanted)")
    }
}
