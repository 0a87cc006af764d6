import EventLoop
import Postgres
import TestSupport
import Testing

private struct Notify: Statement {
    static let name = "Notify"
    static let sql = "SELECT pg_notify($1, $2)"
    var channel: String
    var payload: String

    func bind(_ parameters: inout Parameters) {
        parameters.add(channel)
        parameters.add(payload)
    }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) {}
}

private struct Listeners: Statement {
    static let name = "Listeners"
    static let sql = """
        SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1
        """
    var application: String

    func bind(_ parameters: inout Parameters) { parameters.add(application) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [Int32] {
        try result.rows { row throws(PostgresError) in try row.int32(0) }
    }
}

private struct Terminate: Statement {
    static let name = "Terminate"
    static let sql = "SELECT pg_terminate_backend($1)"
    var process: Int32

    func bind(_ parameters: inout Parameters) { parameters.add(process) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Bool? {
        try result.first { row throws(PostgresError) in try row.bool(0) }
    }
}

@Suite("Postgres notifications")
struct ListenTests {
    private static let application = "listen-tests"

    /// What a listener has told, in short.
    private enum Told: Equatable {
        case listening
        case heard(String, String)
        case lost
    }

    /// A listener that listens, and what it has told so far.
    private static func listen(
        _ database: Database,
        to channels: [String] = ["one", "Two words"]
    ) async throws -> (NotificationListener, Shared<[Told]>) {
        let told = Shared<[Told]>([])
        let listener = database.listen(to: channels, applicationName: application) { event in
            switch event {
            case .listening: told.update { $0.append(.listening) }
            case .notified(let notification):
                told.update { $0.append(.heard(notification.channel, notification.payload)) }
            case .lost: told.update { $0.append(.lost) }
            }
        }
        try await wait(database) { listener.process != nil }
        return (listener, told)
    }

    private struct WaitedTooLong: Error {}

    private static func wait(_ database: Database, _ condition: () async throws -> Bool) async throws {
        let end = database.loop.now + 30_000_000_000
        while try await !condition() {
            guard database.loop.now < end else { throw WaitedTooLong() }
            try await database.loop.sleep(for: .milliseconds(5))
        }
    }

    @Test("what was committed before a round trip began has been heard, in order, when it ends")
    func order() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withServer { database in
                let (listener, told) = try await Self.listen(database)
                var expected: [Told] = [.listening]
                for number in 1...200 {
                    let channel = number % 3 == 0 ? "Two words" : "one"
                    try await database.run(Notify(channel: channel, payload: "\(number)"))
                    try await database.run(Notify(channel: "another", payload: "not for us"))
                    try await listener.roundTrip()
                    expected.append(.heard(channel, "\(number)"))
                    #expect(told.value == expected)
                }
            }
        }
    }

    @Test("a statement of the listener's own runs on its session, which pg_stat_activity shows under its name")
    func own() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withServer { database in
                let senders = Shared<[Int32]>([])
                let listener = database.listen(to: ["one"], applicationName: Self.application) { event in
                    if case .notified(let notification) = event { senders.update { $0.append(notification.sender) } }
                }
                try await Self.wait(database) { listener.process != nil }
                try await listener.run(Notify(channel: "one", payload: ""))
                let process = try #require(listener.process)
                #expect(senders.value == [process])
                #expect(try await database.run(Listeners(application: Self.application)) == [process])
                try await database.run(Notify(channel: "one", payload: ""))
                try await listener.roundTrip()
                #expect(senders.value.count == 2 && senders.value[1] != process)
                let refused = try await failure { _ = try await listener.run(Divide(divisor: 0)) }
                #expect(refused?.kind == .server)
                #expect(try await listener.run(Divide(divisor: 4)) == 25)
            }
        }
    }

    @Test("a session that is lost says so, whoever waits on it hears, and another one listens on")
    func lost() async throws {
        try await withDatabase(migrated: false) { test in
            try await test.withServer { database in
                let (listener, told) = try await Self.listen(database)
                let first = try #require(listener.process)
                let ended = Shared<PostgresError?>(nil)
                let waiting = database.loop.startTask {
                    do { try await listener.run(Sleep(seconds: 60)) } catch {
                        ended.update { $0 = error as? PostgresError }
                    }
                }
                #expect(try await database.run(Terminate(process: first)) == true)
                await waiting.value
                #expect(ended.value?.kind == .server || ended.value?.kind == .outcomeUnknown)
                try await Self.wait(database) { listener.process != nil && listener.process != first }
                #expect(told.value == [.listening, .lost, .listening])
                try await database.run(Notify(channel: "one", payload: "again"))
                try await listener.roundTrip()
                #expect(told.value.last == .heard("one", "again"))
            }
        }
    }

    @Test("it closes with its pool, and is of no use afterwards")
    func closed() async throws {
        try await withDatabase(migrated: false) { test in
            let (told, refusal) = try await test.withServer { database in
                let (listener, told) = try await Self.listen(database)
                database.close()
                return (told, try await failure { try await listener.roundTrip() })
            }
            #expect(refusal?.kind == .unavailable)
            // The end that was wished for is no loss.
            #expect(told.value == [.listening])
            try await test.withServer { database in
                try await Self.wait(database) {
                    try await database.run(Listeners(application: Self.application)).isEmpty
                }
            }
        }
    }
}
