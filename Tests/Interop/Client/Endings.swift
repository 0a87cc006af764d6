import InteropAPI
import Protobuf
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
            try await call.requests.send(
                StreamingOutputCallRequest(
                    responseParameters: [ResponseParameters(size: Sizes.largeResponse)],
                    payload: zeros(Sizes.largeRequest)
                )
            )
            call.requests.finish()
            try expectZeros(try await call.expectNext().payload, Sizes.largeResponse)
            try await call.expectEnd()
            try expectEcho(await call.metadata(), await call.trailers())
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
            let call = session.channel.call(Session.service + "StreamingInputCall", session.options())
            call.cancel()
            try await expectFailure([.cancelled]) { _ = try await call.next() }
        },
        Case("cancel_after_first_response") { session in
            let call = session.fullDuplex()
            try await call.requests.send(
                StreamingOutputCallRequest(
                    responseParameters: [ResponseParameters(size: 31_415)],
                    payload: zeros(27_182)
                )
            )
            try expectZeros(try await call.expectNext().payload, 31_415)
            call.cancel()
            try await expectFailure([.cancelled]) { _ = try await call.next() }
        },
        Case("timeout_on_sleeping_server") { session in
            // The raw call: the time may be over before the request is sent, which is no fault, and the response says so.
            let options = CallOptions(timeout: .milliseconds(1))
            let call = session.channel.call(Session.service + "FullDuplexCall", options)
            await call.send(StreamingOutputCallRequest(payload: zeros(27_182)).serialized())
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
            try await call.requests.send(StreamingOutputCallRequest(responseStatus: status))
            call.requests.finish()
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
