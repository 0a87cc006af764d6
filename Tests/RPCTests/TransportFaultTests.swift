import HTTP2
import RPC
import RPCClient
import Testing

/// What a client makes of answers that are none (PROTOCOL-HTTP2, http-grpc-status-mapping.md, statuscodes.md).
@Suite("Transport faults", .timeLimit(.minutes(1)))
struct TransportFaultTests {
    /// The error of a call to a server that treats its first call so.
    private func error(
        _ configure: (inout ChannelConfiguration) -> Void = { _ in },
        _ options: CallOptions = .init(),
        _ serve: @escaping @Sendable (RawPeer, UInt32) -> Void
    ) async throws -> RPCError? {
        let server = RawServer { peer, _ in
            peer.welcome()
            while let stream = peer.nextCall() { serve(peer, stream) }
        }
        var configuration = ChannelConfiguration()
        configuration.serviceConfig = ServiceConfig()
        configure(&configuration)
        let channel = try Channel(address: server.address, configuration: configuration)
        let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1], options) }
        await channel.close()
        server.stop()
        return error
    }

    @Test(
        "a reset stream has the status of its HTTP/2 error",
        arguments: [
            (0, StatusCode.internal), (1, .internal), (2, .internal), (3, .internal), (4, .internal), (5, .unknown),
            (6, .internal), (7, .unavailable), (8, .cancelled), (9, .internal), (10, .internal),
            (11, .resourceExhausted), (12, .permissionDenied), (13, .unknown), (200, .internal),
        ] as [(UInt8, StatusCode)]
    )
    func resets(code: UInt8, status: StatusCode) async throws {
        let error = try await error { peer, stream in peer.reset(stream, code) }
        #expect(error?.code == status, "\(error.map { "\($0)" } ?? "")")
    }

    @Test(
        "an HTTP status that is not 200 has a gRPC status",
        arguments: [
            ("400", StatusCode.internal), ("401", .unauthenticated), ("403", .permissionDenied),
            ("404", .unimplemented), ("429", .unavailable), ("431", .internal), ("500", .unknown),
            ("502", .unavailable), ("503", .unavailable), ("504", .unavailable), ("302", .unknown),
        ]
    )
    func http(text: String, status: StatusCode) async throws {
        for ends in [true, false] {
            let error = try await error { peer, stream in
                peer.head(stream, [(":status", text), ("content-type", "text/html")], ends: ends)
            }
            #expect(error?.code == status)
            #expect(error?.message.contains(text) == true)
        }
    }

    @Test("a grpc-status is preferred to the HTTP status beside it", arguments: [true, false])
    func preferred(ends: Bool) async throws {
        let error = try await error { peer, stream in
            let fields = [(":status", "503"), ("content-type", "application/grpc"), ("grpc-status", "5")]
            peer.head(stream, fields + [("grpc-message", "not%20here%zz%")], ends: ends)
        }
        #expect(error?.code == .notFound && error?.message == "not here%zz%")
    }

    @Test("an informational response is not the answer")
    func informational() async throws {
        let error = try await error { peer, stream in
            peer.head(stream, [(":status", "103"), ("link", "x")])
            peer.refuse(stream, 9)
        }
        #expect(error?.code == .failedPrecondition)
    }

    @Test("another content-type is UNKNOWN and is named", arguments: ["text/html", "application/grpcx", ""])
    func contentType(type: String) async throws {
        let error = try await error { peer, stream in
            peer.head(stream, [(":status", "200")] + (type.isEmpty ? [] : [("content-type", type)]))
        }
        #expect(error?.code == .unknown)
        #expect(error?.message.contains(type.isEmpty ? "nothing" : type) == true)
    }

    @Test("content types of gRPC's family are taken", arguments: ["application/grpc+proto", "application/grpc;x=1"])
    func family(type: String) async throws {
        let error = try await error { peer, stream in
            peer.head(stream, [(":status", "200"), ("content-type", type)])
            peer.trailers(stream, 6)
        }
        #expect(error?.code == .alreadyExists)
    }

    @Test("an end without a status, one that is no number, and one that nobody knows, are UNKNOWN")
    func noStatus() async throws {
        let trailersOnly = try await error { peer, stream in peer.head(stream, ends: true) }
        #expect(trailersOnly?.code == .unknown && trailersOnly?.message.contains("without a status") == true)
        let afterHeaders = try await error { peer, stream in
            peer.head(stream)
            peer.put(RawPeer.frame(0, 1, stream, []))
        }
        #expect(afterHeaders?.code == .unknown)
        for status in ["x", "99"] {
            let odd = try await error { peer, stream in peer.head(stream, [("grpc-status", status)], ends: true) }
            #expect(odd?.code == .unknown)
        }
    }

    @Test("messages that are cut off, odd, too large, too many or missing are errors that say so")
    func messages() async throws {
        let truncated = try await error { peer, stream in
            peer.head(stream)
            peer.put(RawPeer.frame(0, 0, stream, [0, 0, 0, 0, 9, 1]))
            peer.trailers(stream)
        }
        #expect(truncated?.code == .internal && truncated?.message.contains("middle") == true)
        let flag = try await error { peer, stream in
            peer.head(stream)
            peer.put(RawPeer.frame(0, 0, stream, [7, 0, 0, 0, 0]))
        }
        #expect(flag?.code == .internal)
        let compressed = try await error { peer, stream in
            peer.head(stream)
            peer.put(RawPeer.frame(0, 0, stream, [1, 0, 0, 0, 1, 1]))
        }
        #expect(compressed?.code == .internal && compressed?.message.contains("encoding") == true)
        let damaged = try await error { peer, stream in
            peer.head(stream, [("grpc-encoding", "gzip")])
            peer.put(RawPeer.frame(0, 0, stream, [1, 0, 0, 0, 1, 1]))
        }
        #expect(damaged?.code == .internal)
        let unknown = try await error { peer, stream in peer.head(stream, [("grpc-encoding", "snappy")]) }
        #expect(unknown?.code == .internal && unknown?.message.contains("snappy") == true)
        let large = try await error { peer, stream in
            peer.head(stream)
            peer.put(RawPeer.frame(0, 0, stream, [0, 255, 255, 255, 255]))
        }
        #expect(large?.code == .resourceExhausted)
        let two = try await error { peer, stream in
            peer.head(stream)
            peer.message(stream, "a")
            peer.message(stream, "b")
            peer.trailers(stream)
        }
        #expect(two?.code == .unimplemented)
        let none = try await error { peer, stream in
            peer.head(stream)
            peer.trailers(stream)
        }
        #expect(none?.code == .unimplemented)
    }

    @Test("a connection that is lost is UNAVAILABLE and says how")
    func lost() async throws {
        let server = RawServer { peer, _ in
            peer.welcome()
            _ = peer.nextCall()
        }
        var configuration = ChannelConfiguration()
        configuration.serviceConfig = ServiceConfig()
        let channel = try Channel(address: server.address, configuration: configuration)
        let error = await #expect(throws: RPCError.self) { try await channel.unaryBytes("/a.B/C", [1]) }
        #expect(error?.code == .unavailable && error?.message.contains("lost") == true)
        await channel.close()
        server.stop()
    }

    @Test("a server that answers before it has the whole request is told to wait for no more")
    func early() async throws {
        let server = RawServer { peer, _ in
            peer.welcome()
            guard let first = peer.nextCall() else { return }
            peer.refuse(first, 5)
            let code = peer.read { $0.type == 3 && $0.stream == first }?.errorCode
            guard let next = peer.nextCall() else { return }
            peer.answer(next, "\(code.map { "\($0)" } ?? "none")")
        }
        let channel = try Channel(address: server.address)
        let error = await #expect(throws: RPCError.self) {
            let _: Note = try await channel.clientStreaming("/a.B/C") { (requests: RequestWriter<Note>) in
                while true { try await requests.send(Note("more")) }
            }
        }
        #expect(error?.code == .notFound)
        let answer = try await channel.unaryBytes("/a.B/C", [1])
        #expect(answer.message == Array("0".utf8))
        await channel.close()
        server.stop()
    }

    @Test("a message that the service config finds too large is not sent")
    func requestLimit() async throws {
        let error = try await error({
            $0.serviceConfig.methods = [MethodConfig(names: [.every], maxRequestMessageBytes: 0)]
        }) { peer, stream in peer.answer(stream, "taken") }
        #expect(error?.code == .resourceExhausted && error?.message.contains("limit of 0") == true)
    }

    @Test("names of the protocol are refused in metadata", arguments: ["grpc-timeout", ":path", "te", "connection"])
    func reserved(name: String) async throws {
        var fields = HeaderFields()
        fields.append(name, "1")
        let options = CallOptions(metadata: Metadata(fields))
        let error = try await error({ _ in }, options) { peer, stream in peer.answer(stream, "taken") }
        #expect(error?.code == .invalidArgument && error?.message.contains(name.lowercased()) == true)
    }

    @Test("metadata of bytes is read padded, unpadded and joined")
    func binary() async throws {
        let server = RawServer { peer, _ in
            peer.welcome()
            while let stream = peer.nextCall() {
                peer.head(stream, [("a-bin", "AQ==,AgM"), ("a-bin", "BA")])
                peer.message(stream, "x")
                peer.trailers(stream)
            }
        }
        let channel = try Channel(address: server.address)
        let answer = try await channel.unaryBytes("/a.B/C", [1])
        #expect(answer.metadata.allBytes("a-bin") == [[1], [2, 3], [4]])
        await channel.close()
        server.stop()
    }
}
