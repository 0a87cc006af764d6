import InteropAPI
import RPC
import RPCClient

/// A case of the interop test descriptions of grpc/grpc: doc/interop-test-descriptions.md and, where it needs a server
/// that knows the case, doc/http2-interop-test-descriptions.md.
struct Case: Sendable {
    let name: String
    /// Whether the server has to behave in a way of its own for this case.
    let needsHTTP2Server: Bool
    let run: @Sendable (Session) async throws -> Void

    init(_ name: String, needsHTTP2Server: Bool = false, _ run: @escaping @Sendable (Session) async throws -> Void) {
        self.name = name
        self.needsHTTP2Server = needsHTTP2Server
        self.run = run
    }

    static let all: [Case] = unary + streaming + compression + endings + soak + http2
}

/// The sizes that the descriptions name, in bytes.
enum Sizes {
    static let largeRequest = 271_828
    static let largeResponse: Int32 = 314_159
    static let upload = [27_182, 8, 1_828, 45_904]
    static let download: [Int32] = [31_415, 9, 2_653, 58_979]
}

/// A payload of zeros.
func zeros(_ count: Int) -> Payload {
    Payload(body: [UInt8](repeating: 0, count: count))
}

/// The request of large_unary.
let largeRequest = SimpleRequest(responseSize: Sizes.largeResponse, payload: zeros(Sizes.largeRequest))

/// Sees to it that a payload is so many zeros.
func expectZeros(_ payload: Payload?, _ count: Int32) throws(CaseFailure) {
    let body = payload?.body ?? []
    try expect(body.count == Int(count), "the payload has \(body.count) bytes; \(count) were asked for")
    // Compared as blocks: a debug build takes long to walk through the bytes of thousands of calls.
    try expect(body == [UInt8](repeating: 0, count: body.count), "the payload is not all zeros")
}

/// Makes the call of large_unary and checks its response.
func largeUnary(_ session: Session) async throws {
    try expectZeros(try await session.unary(largeRequest).message.payload, Sizes.largeResponse)
}

extension Case {
    /// Calls with one request and one response.
    static let unary = [
        Case("empty_unary") { try await $0.empty(Session.service + "EmptyCall") },
        Case("large_unary", largeUnary),
    ]

    /// Calls that stream.
    static let streaming = [
        Case("client_streaming") { session in
            let total = try await session.streamingInput { requests in
                for size in Sizes.upload {
                    try await requests.send(StreamingInputCallRequest(payload: zeros(size)))
                }
            }.aggregatedPayloadSize
            try expect(total == 74_922, "aggregated_payload_size is \(total); it must be 74922")
        },
        Case("server_streaming") { session in
            let request = StreamingOutputCallRequest(
                responseParameters: Sizes.download.map { ResponseParameters(size: $0) }
            )
            var count = 0
            for try await response in session.streamingOutput(request) {
                try expect(count < Sizes.download.count, "more than \(Sizes.download.count) responses came")
                try expectZeros(response.payload, Sizes.download[count])
                count += 1
            }
            try expect(count == Sizes.download.count, "\(count) responses came, not \(Sizes.download.count)")
        },
        Case("ping_pong") { session in
            let call = session.fullDuplex()
            for (size, body) in zip(Sizes.download, Sizes.upload) {
                try await call.requests.send(
                    StreamingOutputCallRequest(
                        responseParameters: [ResponseParameters(size: size)],
                        payload: zeros(body)
                    )
                )
                try expectZeros(try await call.expectNext().payload, size)
            }
            call.requests.finish()
            try await call.expectEnd()
        },
        Case("empty_stream") { session in
            let call = session.fullDuplex()
            call.requests.finish()
            try await call.expectEnd()
        },
    ]

    /// Many calls, one after another and at once.
    static let soak = [
        Case("concurrent_large_unary") { session in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<1000 { tasks.addTask { try await largeUnary(session) } }
                try await tasks.waitForAll()
            }
        },
        Case("rpc_soak") { session in
            for _ in 0..<200 { try await largeUnary(session) }
        },
        Case("channel_soak") { session in
            for _ in 0..<50 {
                let other = try Session(address: session.address, configuration: session.configuration)
                do {
                    try await largeUnary(other)
                } catch {
                    await other.channel.close()
                    throw error
                }
                await other.channel.close()
            }
        },
    ]
}
