import EventLoop
import Files
import HTTP2
import RPC
import RPCClient
import RPCServer
import Testing

/// What many clients cost that come, lose their connections, and come again.
@Suite("Many clients", .serialized, .timeLimit(.minutes(2)))
struct ManyClientsTests {
    private static let clients = 1000
    private static let rounds = 6

    /// Resident memory of this process, in KiB.
    private static func residentKiB() throws -> Int {
        let status = String(decoding: try Files.read("/proc/self/status"), as: UTF8.self)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }

    @Test("a thousand clients that connect again and again take no more memory for it")
    func reconnect() async throws {
        let server = try await ControlServer(loops: 1)
        let loop = try EventLoop.startThread(name: "clients")
        var sizes: [Int] = []
        for _ in 0..<Self.rounds {
            var channels: [Channel] = []
            for _ in 0..<Self.clients { channels.append(try Channel(address: server.address, loop: loop)) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for channel in channels {
                    group.addTask { let _: Note = try await channel.unary("/test.Control/Echo", Note("hello")) }
                }
                try await group.waitForAll()
            }
            for channel in channels { await channel.close() }
            while server.server.counts().openConnections > 0 { try await Task.sleep(for: .milliseconds(5)) }
            sizes.append(try Self.residentKiB())
        }
        #expect(server.server.counts().connections == UInt64(Self.rounds * Self.clients))
        loop.stop()
        loop.join()
        await server.stop()
        // The first rounds fill what is kept for the next ones. scripts/test runs this by itself, without other suites in the
        // process; a leak of 8 KiB a connection in two rounds is seen all the same where they are.
        let growth = sizes[5] - sizes[3]
        print("resident after each round of \(Self.clients) clients: \(sizes) KiB")
        #expect(growth < 2 * 8 * Self.clients, "\(sizes) KiB")
    }
}
