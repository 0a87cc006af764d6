import InteropAPI
import Protobuf
import RPC
import RPCClient

/// A case did not go as its description says.
struct CaseFailure: Error, CustomStringConvertible {
    /// What was expected and what came.
    let description: String
}

/// Fails the case when `condition` does not hold.
func expect(_ condition: Bool, _ what: @autoclosure () -> String) throws(CaseFailure) {
    guard condition else { throw CaseFailure(description: what()) }
}

/// A channel to the server under test, and the calls of its methods.
struct Session: Sendable {
    static let service = "/grpc.testing.TestService/"

    /// How long a call may take that is not about its deadline: a server may be a debug build on a busy machine.
    static let patience = Duration.seconds(60)

    let address: String
    let configuration: ChannelConfiguration
    let channel: Channel

    init(address: String, configuration: ChannelConfiguration) throws {
        self.address = address
        self.configuration = configuration
        channel = try Channel(address: address, configuration: configuration)
    }

    /// The options of a call that is not about its deadline.
    func options(_ metadata: Metadata = Metadata()) -> CallOptions {
        CallOptions(metadata: metadata, timeout: Self.patience)
    }

    func unary(_ request: SimpleRequest, _ options: CallOptions? = nil) async throws(RPCError) -> Response<
        SimpleResponse
    > {
        try await channel.unaryResponse(Self.service + "UnaryCall", request, options ?? self.options())
    }

    func empty(_ path: String) async throws(RPCError) {
        let _: Empty = try await channel.unary(path, Empty(), options())
    }

    func streamingInput(
        compression: CallOptions.Compression = .none,
        _ produce: (RequestWriter<StreamingInputCallRequest>) async throws -> Void
    ) async throws -> StreamingInputCallResponse {
        var options = options()
        options.compression = compression
        return try await channel.clientStreaming(Self.service + "StreamingInputCall", options, produce)
    }

    func streamingOutput(_ request: StreamingOutputCallRequest) -> ResponseStream<StreamingOutputCallResponse> {
        channel.serverStreaming(Self.service + "StreamingOutputCall", request, options())
    }

    func fullDuplex(_ options: CallOptions? = nil) -> DuplexCall {
        channel.bidirectional(Self.service + "FullDuplexCall", options ?? self.options())
    }
}

typealias DuplexCall = BidirectionalCall<StreamingOutputCallRequest, StreamingOutputCallResponse>

extension BidirectionalCall {
    /// The next response; nil after the last one.
    func next() async throws(RPCError) -> Response? {
        var iterator = responses.makeAsyncIterator()
        return try await iterator.next()
    }

    /// The next response, which must be there.
    func expectNext() async throws -> Response {
        guard let response = try await next() else {
            throw CaseFailure(description: "a response was expected, and the call ended")
        }
        return response
    }

    /// Sees to it that the call ends here, with OK.
    func expectEnd() async throws {
        try expect(try await next() == nil, "the call was to end, and a response came")
    }
}

/// Sees to it that `body` fails with a status of this code, and gives it back.
@discardableResult
func expectFailure(
    _ codes: [StatusCode],
    _ body: () async throws -> Void
) async throws -> RPCError {
    let wanted = codes.map(\.name).joined(separator: " or ")
    do {
        try await body()
    } catch let error as RPCError {
        try expect(codes.contains(error.code), "the call ended with \(error); \(wanted) was expected")
        return error
    }
    throw CaseFailure(description: "the call ended well; \(wanted) was expected")
}
