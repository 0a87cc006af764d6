import EventLoop
import Protobuf
import RPC
import RPCClient
import RPCServer
import Synchronization
import Testing

/// What interceptors are asked, and what they leave.
@Suite("Interceptors")
struct InterceptorTests {
    private final class Diary: Sendable {
        private let list = Mutex<[String]>([])

        var all: [String] { list.withLock { $0 } }

        func add(_ entry: String) { list.withLock { $0.append(entry) } }
    }

    private struct Observer: CallObserver {
        let diary: Diary

        func didFinish(_ context: ServerContext, _ status: Status) { diary.add("observer told \(status.code.name)") }
    }

    private final class Mark: Sendable {
        let text: String

        init(_ text: String) { self.text = text }
    }

    private enum First: ContextKey { typealias Value = Mark }
    private enum Second: ContextKey { typealias Value = Mark }

    /// Leaves two marks, and changes each once; waits when it is told to; refuses when it is asked to.
    private struct Gate: ServerInterceptor, CallObserver {
        let diary: Diary
        let name: String
        let waits: Bool

        func willHandleAtOnce(_ context: ServerContext) throws -> Bool {
            diary.add("\(name) asked")
            guard !waits else { return false }
            try pass(context)
            return true
        }

        func willHandle(_ context: ServerContext) async throws {
            diary.add("\(name) awaited")
            try pass(context)
        }

        private func pass(_ context: ServerContext) throws {
            if context.metadata["refuse"] == name { throw RPCError(.permissionDenied, "refused by \(name)") }
            context[First.self] = Mark("\(name) once")
            context[Second.self] = Mark("\(name) second")
            context[First.self] = Mark("\(name) first")
        }

        func didFinish(_ context: ServerContext, _ status: Status) { diary.add("\(name) told \(status.code.name)") }
    }

    private func run(_ metadata: Metadata, _ diary: Diary) async throws -> Result<Note, any Error> {
        let group = try EventLoopGroup(count: 1, name: "gates")
        let router = Router()
        router.unary("/test.Gates/Marks") { (_: Note, context) -> Note in
            Note("\(context[First.self]?.text ?? "none"), \(context[Second.self]?.text ?? "none")")
        }
        var configuration = ServerConfiguration()
        let gates = [("a", false), ("b", true), ("c", false)].map { Gate(diary: diary, name: $0, waits: $1) }
        configuration.interceptors = { _ in gates }
        configuration.observers = { _ in [Observer(diary: diary)] + gates }
        let server = RPCServer(group: group, configuration: configuration, router: router)
        try await server.start()
        let address = try server.listen(host: "127.0.0.1", port: 0).description
        let channel = try Channel(address: address)
        var options = CallOptions()
        options.metadata = metadata
        let result: Result<Note, any Error>
        do {
            result = .success(try await channel.unary("/test.Gates/Marks", Note("x"), options))
        } catch {
            result = .failure(error)
        }
        await channel.close()
        await server.shutdown(grace: .zero)
        group.shutdown()
        return result
    }

    @Test("gates are asked in order, and all observers hear of the end; the handler finds what was left last")
    func order() async throws {
        let diary = Diary()
        #expect(try await run([:], diary).get() == Note("c first, c second"))
        #expect(
            diary.all == [
                "a asked", "b asked", "b awaited", "c asked", "observer told OK", "a told OK", "b told OK", "c told OK",
            ]
        )
    }

    @Test("a gate that refuses is the last that is asked, and all hear of it")
    func refusal() async throws {
        let diary = Diary()
        let result = try await run(["refuse": "b"], diary)
        #expect(throws: RPCError.self) { try result.get() }
        let end = ["observer", "a", "b", "c"].map { "\($0) told PERMISSION_DENIED" }
        #expect(diary.all == ["a asked", "b asked", "b awaited"] + end)
    }
}
