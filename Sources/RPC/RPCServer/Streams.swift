public import Protobuf
public import RPC

/// Sends the responses of a call that has any number of them.
public struct ResponseWriter<Response: Message>: Sendable {
    @usableFromInline let context: ServerContext

    @usableFromInline init(_ context: ServerContext) {
        self.context = context
    }

    /// Sends a response, and waits while the caller does not take what was sent before: the memory that a stream holds
    /// is bounded by ``HTTP2Limits/streamOutputBytes`` and one message.
    ///
    /// - Throws: ``RPCError`` when the call has ended: cancelled, or past its deadline.
    @inlinable public func send(_ response: Response) async throws(RPCError) {
        if try context.send(response.serialized(prefix: MessageFraming.prefixBytes)) { try await context.drained() }
    }
}

/// The requests of a call that has any number of them, in order. Walked through once.
public struct RequestStream<Request: Message>: AsyncSequence, Sendable {
    /// Takes one request after another.
    public struct AsyncIterator: AsyncIteratorProtocol {
        @usableFromInline let context: ServerContext

        @usableFromInline init(_ context: ServerContext) {
            self.context = context
        }

        /// The next request; nil after the last one. The caller may send more only as requests are taken.
        ///
        /// - Throws: ``RPCError`` when a request is malformed or too large, or the call has ended.
        @inlinable public mutating func next() async throws(RPCError) -> Request? {
            try await context.nextRequest(Request.self)
        }
    }

    @usableFromInline let context: ServerContext

    @usableFromInline init(_ context: ServerContext) {
        self.context = context
    }

    /// Begins to take requests.
    @inlinable public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(context)
    }
}
