import InteropAPI
import RPC
import RPCClient

extension Case {
    private static let initialKey = "x-grpc-test-echo-initial"
    private static let initialValue = "test_initial_metadata_value"
    private static let trailingKey = "x-grpc-test-echo-trailing-bin"
    private static let trailingValue: [UInt8] = [0xab, 0xab, 0xab]

    /// How calls end, and what comes beside their messages.
    static let endings = [
        Case("custom_metadata") { session in
            var metadata = Metadata()
            metadata.append(initialKey, initialValue)
            metadata.appendBytes(trailingKey, trailingValue)
            let response = try await session.unary(largeRequest, session.options(metadata))
            try expectZeros(response.message.payload, Sizes.largeResponse)
            try expectEcho(response.metadata, response.trailers)
            let call = session.fullDuplex(session.options(metadata))
            await call.send(
                StreamingOutputCallRequest(
                    responseParameters: [ResponseParameters(size: Sizes.largeResponse)],
                    payload: zeros(Sizes.largeRequest)
                )
            )
            call.call.finishSending()
            try expectZeros(try await call.expectNext().payload, Sizes.largeResponse)
            try await call.expectEnd()
            try expectEcho(await call.call.metadata(), await call.call.trailers())
        },
        Case("status_code_and_message") { try await expectStatus($0, "test status message") },
        Case("special_status_message") { session in
            try await expectStatus(
                session,
                "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n"
            )
        },
        Case("unimplemented_method") { session in
            try await expectFailure([.unimplemented]) { try await session.empty(Session.service + "UnimplementedCall") }
        },
        Case("unimplemented_service") { session in
            try await expectFailure([.unimplemented]) {
                try await session.empty("/grpc.testing.UnimplementedService/UnimplementedCall")
            }
        },
        Case("cancel_after_begin") { session in
            let call = session.streamingInput()
            call.call.cancel()
            try await expectFailure([.cancelled]) { _ = try await call.next() }
        },
        Case("cancel_after_first_response") { session in
            let call = session.fullDuplex()
            await call.send(
                StreamingOutputCallRequest(
                    responseParameters: [ResponseParameters(size: 31_415)],
                    payload: zeros(27_182)
                )
            )
            try expectZeros(try await call.expectNext().payload, 31_415)
            call.call.cancel()
            try await expectFailure([.cancelled]) { _ = try await call.next() }
        },
        Case("timeout_on_sleeping_server") { session in
            let call = session.fullDuplex(CallOptions(timeout: .milliseconds(1)))
            await call.send(StreamingOutputCallRequest(payload: zeros(27_182)))
            try await expectFailure([.deadlineExceeded]) { _ = try await call.next() }
        },
    ]

    private static func expectEcho(_ metadata: Metadata, _ trailers: Metadata) throws(CaseFailure) {
        let initial = metadata[initialKey]
        try expect(initial == initialValue, "\(initialKey) is \(initial ?? "missing") in what came before the message")
        let trailing = trailers.bytes(trailingKey)
        try expect(trailing == trailingValue, "\(trailingKey) is \(trailing ?? []) in what came with the status")
    }

    private static func expectStatus(_ session: Session, _ message: String) async throws {
        let status = EchoStatus(code: Int32(StatusCode.unknown.rawValue), message: message)
        let unary = try await expectFailure([.unknown]) {
            _ = try await session.unary(SimpleRequest(responseStatus: status))
        }
        let stream = try await expectFailure([.unknown]) {
            let call = session.fullDuplex()
            await call.send(StreamingOutputCallRequest(responseStatus: status))
            call.call.finishSending()
            _ = try await call.next()
        }
        for error in [unary, stream] {
            try expect(
                Array(error.message.utf8) == Array(message.utf8),
                "the status message is \(error.message.debugDescription), not \(message.debugDescription)"
            )
        }
    }
}
