import RPC
import RPCClient

extension Case {
    /// What the client does when the server does uncommon things with HTTP/2. The server of such a case knows its name:
    /// Tests/Python/interop/http2_server.py. What it has to see, it checks itself.
    static let http2 = [
        // The first call is answered and followed by GOAWAY; the second finds another connection by itself.
        Case("goaway", needsHTTP2Server: true) { session in
            try await largeUnary(session)
            try await largeUnary(session)
        },
        Case("rst_after_header", needsHTTP2Server: true, expectReset),
        Case("rst_during_data", needsHTTP2Server: true, expectReset),
        Case("rst_after_data", needsHTTP2Server: true, expectReset),
        Case("ping", needsHTTP2Server: true, largeUnary),
        // The first call lets the server's settings come; then it takes one call at a time.
        Case("max_streams", needsHTTP2Server: true) { session in
            try await largeUnary(session)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<10 { tasks.addTask { try await largeUnary(session) } }
                try await tasks.waitForAll()
            }
        },
        Case("data_frame_padding", needsHTTP2Server: true, largeUnary),
        Case("no_df_padding_sanity_test", needsHTTP2Server: true, largeUnary),
    ]

    /// A call whose stream the server resets is not successful. The descriptions ask for no certain status; what
    /// gRPC's HTTP/2 mapping says of the reset's code is not checked either.
    private static func expectReset(_ session: Session) async throws {
        try await expectFailure([.internal, .unknown, .unavailable, .cancelled]) {
            _ = try await session.unary(largeRequest)
        }
    }
}
