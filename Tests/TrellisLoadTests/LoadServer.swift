import EventLoop
import Foundation
import Protobuf
import RPC
import RPCClient
import RPCServer
import RPCServices
import Synchronization
import TrellisAPI

@testable import LoadTesting

/// A real server on a real socket, of which tests know what it was asked. Its messages are google.type.Money.
///
/// - Echo: the response is the request; every `failEach`-th call fails NOT_FOUND.
/// - Slow: answers after as many milliseconds as the request has units.
/// - Stall: answers at once, but for a time once, in which it answers nobody.
/// - Count: streams as many messages as the request has units.
/// - Sum: takes a stream and answers the sum of the units.
/// - Chat: answers each message with itself.
final class LoadServer: Sendable {
    let server: RPCServer
    let group: EventLoopGroup
    let address: String
    let seen = Mutex<[String: [Money]]>([:])
    let metadata = Mutex<[String]>([])
    private let stall = Mutex<(begin: UInt64, end: UInt64)?>(nil)

    init() async throws {
        group = try EventLoopGroup(count: 1, name: "server")
        let router = Router()
        let place = Mutex<LoadServer?>(nil)
        let note: @Sendable (String, Money, ServerContext) -> Int = { method, request, context in
            place.withLock { $0 }!.note(method, request, context)
        }
        router.unary("/load.Test/Echo") { (request: Money, context) -> Money in
            let number = note("Echo", request, context)
            if request.currencyCode == "FAIL", number % 3 == 0 { throw RPCError(.notFound, "as asked") }
            return request
        }
        router.unary("/load.Test/Slow") { (request: Money, context) -> Money in
            _ = note("Slow", request, context)
            try await context.loop.sleep(for: .milliseconds(request.units))
            return request
        }
        router.unary("/load.Test/Stall") { (request: Money, context) -> Money in
            let now = context.loop.now
            let server = place.withLock { $0 }!
            let window = server.stall.withLock { stall -> (begin: UInt64, end: UInt64) in
                if stall == nil { stall = (now + 1_000_000_000, now + 2_000_000_000) }
                return stall!
            }
            if now >= window.begin, now < window.end {
                try await context.loop.sleep(for: .nanoseconds(Int64(window.end - now)))
            }
            return request
        }
        router.serverStreaming("/load.Test/Count") { (request: Money, responses: ResponseWriter<Money>, context) in
            _ = note("Count", request, context)
            for index in 0..<request.units { try await responses.send(Money(currencyCode: "", units: index)) }
        }
        router.clientStreaming("/load.Test/Sum") { (requests: RequestStream<Money>, context) -> Money in
            var sum: Int64 = 0
            for try await request in requests {
                _ = note("Sum", request, context)
                sum += request.units
            }
            return Money(currencyCode: "", units: sum)
        }
        router.bidirectional("/load.Test/Chat") {
            (requests: RequestStream<Money>, responses: ResponseWriter<Money>, context) in
            for try await request in requests {
                _ = note("Chat", request, context)
                try await responses.send(request)
            }
        }
        server = RPCServer(group: group, configuration: ServerConfiguration(), router: router)
        try await server.start()
        address = try server.listen(host: "127.0.0.1", port: 0).description
        place.withLock { $0 = self }
    }

    private func note(_ method: String, _ request: Money, _ context: ServerContext) -> Int {
        metadata.withLock { $0.append(context.metadata["who"] ?? "") }
        return seen.withLock { seen in
            seen[method, default: []].append(request)
            return seen[method]!.count
        }
    }

    func count(_ method: String) -> Int { seen.withLock { $0[method]?.count ?? 0 } }

    func stop() async {
        await server.shutdown(grace: .zero)
        group.shutdown()
    }

    /// The contract of the methods above: Money out of Trellis's own descriptors, and a service made for it.
    static let contract = Result { () throws -> Contract in
        func field(_ number: Int, _ bytes: [UInt8]) -> [UInt8] { [UInt8(number << 3 | 2), UInt8(bytes.count)] + bytes }
        func text(_ number: Int, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
        func method(_ name: String, _ client: Bool, _ server: Bool) -> [UInt8] {
            let money = ".google.type.Money"
            return field(
                2,
                text(1, name) + text(2, money) + text(3, money) + (client ? [40, 1] : []) + (server ? [48, 1] : [])
            )
        }
        var service = text(1, "Test")
        for name in ["Echo", "Slow", "Stall"] { service += method(name, false, false) }
        service += method("Count", false, true) + method("Sum", true, false) + method("Chat", true, true)
        // A service longer than 127 bytes has a length of two.
        let size = [UInt8(service.count & 127 | 128), UInt8(service.count >> 7)]
        let file =
            text(1, "load.proto") + text(2, "load") + text(3, "google/type/money.proto") + [6 << 3 | 2] + size + service
        let money = DescriptorPool.trellis.file(containing: "google.type.Money")!.serialized
        return Contract(pool: try DescriptorPool(files: [money, file]), source: "the test's contract")
    }

    /// A scenario out of text, as a file would have it.
    static func scenario(_ text: String, folder: String = "/tmp") throws -> Scenario {
        var reader = try ScenarioReader(text, name: "\(folder)/scenario.json") { $0 == "WHO" ? "me" : nil }
        return try reader.read(try contract.get())
    }

    /// A plan against this server that is as short as can be; tests change what they are about.
    func plan(_ text: String, _ load: LoadModel, folder: String = "/tmp") throws -> RunPlan {
        RunPlan(address: address, scenario: try Self.scenario(text, folder: folder), load: load)
    }

    /// Runs a plan to its end.
    static func run(_ plan: RunPlan, monitor: ServerMonitor? = nil) async throws -> RunResult {
        let engine = try Engine(plan)
        let result: Result<RunResult, any Error>
        do {
            let saved = try await engine.setUp()
            result = .success(try await engine.run(saved: saved, monitor: monitor))
        } catch {
            result = .failure(error)
        }
        await engine.close()
        return try result.get()
    }
}

/// Runs a test against a server, and takes it down.
func withLoadServer(_ body: (LoadServer) async throws -> Void) async throws {
    let server = try await LoadServer()
    do {
        try await body(server)
    } catch {
        await server.stop()
        throw error
    }
    await server.stop()
}

extension LoadModel {
    /// So many users, until something else ends the run.
    static func users(_ count: Double, seconds: Double = .infinity) -> LoadModel {
        .closed(users: Stages([Stage(from: count, to: count, seconds: seconds)]))
    }

    /// So many arrivals a second.
    static func rate(_ rate: Double, seconds: Double = .infinity) -> LoadModel {
        .open(rate: Stages([Stage(from: rate, to: rate, seconds: seconds)]), spacing: .constant)
    }
}

extension Engine {
    /// Keeps all threads from their work for some time, after some time.
    func block(after delay: Duration, for nanoseconds: UInt64) {
        for loop in group.loops {
            loop.submit {
                _ = loop.schedule(after: delay) {
                    let end = loop.now + nanoseconds
                    while loop.now < end {}
                }
            }
        }
    }
}
