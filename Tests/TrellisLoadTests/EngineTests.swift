import EventLoop
import Files
import RPC
import Synchronization
import Testing
import TrellisAPI

@testable import LoadTesting

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct EngineTests {
    private static func one(_ call: String, _ rest: String = "") -> String {
        #"{"flows": [{"steps": [{"call": "load.Test/\#(call)", "request": {"currencyCode": "EUR", "units": 3}\#(rest)}]}]}"#
    }

    @Test(arguments: [(1, 1, 1), (1, 4, 7), (2, 2, 5), (2, 5, 64), (3, 3, 2)])
    func asManyCallsAreMadeAsWereAskedFor(_ threads: Int, _ connections: Int, _ users: Int) async throws {
        try await withLoadServer { server in
            var plan = try server.plan(Self.one("Echo"), .users(Double(users)))
            (plan.threads, plan.connections, plan.count) = (threads, connections, 1001)
            let result = try await LoadServer.run(plan)
            #expect(server.count("Echo") == 1001)
            let call = result.calls[0]
            #expect(call.calls == 1001 && call.failed == 0 && call.endedWithin == 1001)
            #expect(call.latency.count == 1001 && call.serviceTime.count == 1001)
            #expect(call.intervals.reduce(0) { $0 + $1.calls } == 1001)
            #expect(call.sentMessages == 1001 && call.receivedMessages == 1001)
            #expect(call.sentBytes == 1001 * 7 && call.receivedBytes == call.sentBytes)
            #expect(call.statuses == [StatusCount(code: 0, message: "", isError: false, count: 1001)])
            #expect(result.generator.highestInFlight <= UInt64(users))
        }
    }

    @Test func openLoopSendsTheWholeScheduleAndCountsIt() async throws {
        try await withLoadServer { server in
            var plan = try server.plan(Self.one("Echo"), .rate(400, seconds: 1))
            (plan.threads, plan.connections, plan.warmup) = (2, 2, 250_000_000)
            let result = try await LoadServer.run(plan)
            // 100 more of the warm-up are sent and not counted.
            #expect(server.count("Echo") == 500)
            #expect(result.generator.scheduled == 400)
            #expect(result.calls[0].calls == 400)
            #expect(result.generator.unsent == 0 && result.generator.unfinished == 0)
            #expect(result.seconds == 1)
        }
    }

    @Test func openLoopByCountEndsWithTheLastCall() async throws {
        try await withLoadServer { server in
            var plan = try server.plan(Self.one("Echo"), .rate(2000))
            (plan.threads, plan.connections, plan.count) = (2, 2, 301)
            let result = try await LoadServer.run(plan)
            #expect(server.count("Echo") == 301)
            #expect(result.calls[0].calls == 301 && result.calls[0].endedWithin == 301)
        }
    }

    @Test func aStallOfTheServerShowsInOpenLoopAndHidesInClosedLoop() async throws {
        var p99: [Bool: UInt64] = [:]
        for isOpen in [true, false] {
            try await withLoadServer { server in
                let load: LoadModel = isOpen ? .rate(200, seconds: 3) : .users(2, seconds: 3)
                let result = try await LoadServer.run(try server.plan(Self.one("Stall"), load))
                let call = result.calls[0]
                p99[isOpen] = call.latency.value(atQuantile: 0.99)
                // Both see it as a maximum; only the open loop knows how many calls it would have hit.
                #expect(call.latency.maximum > 900_000_000)
                if isOpen {
                    #expect(call.calls == 600)
                    // A third of the calls were to begin while the server stalled, and waited half a second in the mean.
                    #expect(call.latency.value(atQuantile: 0.8) > 300_000_000)
                }
            }
        }
        #expect(p99[true]! > 900_000_000)
        #expect(p99[false]! < 500_000_000)
    }

    @Test func latencyCountsFromWhenACallWasToBeginAndServiceTimeFromWhenItBegan() async throws {
        // One thread that is kept from its loop for 300 ms: its calls begin late, and that is in their latency.
        try await withLoadServer { server in
            let plan = try server.plan(Self.one("Echo"), .rate(100, seconds: 1))
            let engine = try Engine(plan)
            engine.block(after: .milliseconds(300), for: 300_000_000)
            let result = try await engine.run()
            await engine.close()
            let call = result.calls[0]
            #expect(call.calls == 100)
            #expect(call.latency.maximum > 250_000_000)
            // Half of the thirty that were due meanwhile were 150 ms late or more, and then took as long as any.
            #expect(call.latency.value(atQuantile: 0.85) > call.serviceTime.value(atQuantile: 0.85) + 50_000_000)
            #expect(result.generator.lag.maximum > 250_000_000)
            #expect(Finding.all(result).contains { $0.kind == .saturated && $0.text.contains("lagged") })
        }
    }

    @Test func whatWasDueBeforeTheEndIsSentEvenWhenTheGeneratorWakesAfterIt() async throws {
        try await withLoadServer { server in
            let engine = try Engine(try server.plan(Self.one("Echo"), .rate(100, seconds: 1)))
            engine.block(after: .milliseconds(800), for: 400_000_000)
            let result = try await engine.run()
            await engine.close()
            #expect(result.generator.scheduled == 100 && result.calls[0].calls == 100)
            #expect(server.count("Echo") == 100)
            #expect(result.calls[0].intervals.contains { $0.index > 0 })
        }
    }

    @Test func arrivalsBeyondWhatMayBeUnderWayAreCountedAsNotSent() async throws {
        try await withLoadServer { server in
            let text =
                #"{"flows": [{"steps": [{"call": "load.Test/Slow", "request": {"units": 60000}, "deadline": "2s"}]}]}"#
            var plan = try server.plan(text, .rate(100, seconds: 1))
            plan.maxInFlight = 10
            let result = try await LoadServer.run(plan)
            #expect(result.generator.scheduled == 100)
            #expect(result.generator.unsent == 90)
            #expect(result.calls[0].calls == 10 && result.calls[0].failed == 10)
            // By two messages, if both ends notice.
            #expect(Set(result.calls[0].statuses.map(\.code)) == [StatusCode.deadlineExceeded.rawValue])
            #expect(result.calls[0].latency.minimum >= 1_900_000_000)
            #expect(Finding.all(result).contains { $0.kind == .missing })
        }
    }

    @Test func whatHasNotEndedWhenTheRunGivesUpIsToldAsUnfinished() async throws {
        try await withLoadServer { server in
            let text = #"{"flows": [{"steps": [{"call": "load.Test/Slow", "request": {"units": 60000}}]}]}"#
            var plan = try server.plan(text, .users(3, seconds: 0.2))
            plan.drain = 100_000_000
            let result = try await LoadServer.run(plan)
            #expect(result.generator.unfinished == 3)
            #expect(result.calls[0].calls == 0)
        }
    }

    @Test func usersComeAndGoWithTheStages() async throws {
        try await withLoadServer { server in
            let request = #"{"currencyCode": "${user}", "units": 5}"#
            let text = #"{"flows": [{"steps": [{"call": "load.Test/Slow", "request": \#(request)}]}]}"#
            let stages = Stages([1, 9, 1].map { Stage(from: $0, to: $0, seconds: 0.3) })
            let result = try await LoadServer.run(try server.plan(text, .closed(users: stages)))
            #expect(result.generator.highestInFlight == 9)
            let users = server.seen.withLock { $0["Slow"]!.map(\.currencyCode) }
            #expect(Set(users) == Set((0..<9).map { "\($0)" }))
            // Before the others came and after they went there was the first one.
            #expect(users.first == "0" && users.last == "0")
            #expect(result.calls[0].calls == UInt64(users.count))
        }
    }

    @Test func everyShapeOfCallIsMadeAndItsMessagesAreCounted() async throws {
        try await withLoadServer { server in
            var plan = try server.plan(Self.one("Count"), .users(2))
            plan.count = 10
            var result = try await LoadServer.run(plan)
            #expect(result.calls[0].receivedMessages == 30 && result.calls[0].sentMessages == 10)
            #expect(result.calls[0].messageLatency.count == 10)
            plan.scenario = try LoadServer.scenario(Self.one("Sum", #", "messages": 4, "save": {"sum": "units"}"#))
            result = try await LoadServer.run(plan)
            #expect(server.count("Sum") == 40)
            #expect(result.calls[0].receivedMessages == 10 && result.calls[0].sentMessages == 40)
            plan.scenario = try LoadServer.scenario(Self.one("Chat", #", "messages": 5"#))
            result = try await LoadServer.run(plan)
            #expect(server.count("Chat") == 50)
            #expect(result.calls[0].receivedMessages == 50 && result.calls[0].messageLatency.count == 50)
            #expect(result.calls[0].calls == 10 && result.calls[0].failed == 0)
        }
    }

    @Test func statusesAreErrorsUnlessTheyAreExpected() async throws {
        let text = #"{"flows": [{"steps": [{"call": "load.Test/Echo", "request": {"currencyCode": "FAIL"}EXPECT}]}]}"#
        try await withLoadServer { server in
            var plan = try server.plan(text.replacing("EXPECT", with: ""), .users(1))
            plan.count = 30
            let result = try await LoadServer.run(plan)
            #expect(result.calls[0].failed == 10 && result.calls[0].failedLatency.count == 10)
            #expect(
                result.calls[0].statuses.contains(
                    StatusCount(code: StatusCode.notFound.rawValue, message: "as asked", isError: true, count: 10)
                )
            )
        }
        try await withLoadServer { server in
            var plan = try server.plan(text.replacing("EXPECT", with: #", "expect": ["OK", "NOT_FOUND"]"#), .users(1))
            plan.count = 30
            let result = try await LoadServer.run(plan)
            #expect(result.calls[0].failed == 0 && result.calls[0].calls == 30)
            #expect(result.calls[0].statuses.map(\.count).sorted() == [10, 20])
        }
    }

    @Test func aServerThatIsNotThereIsAnErrorAndNotAHotLoop() async throws {
        let server = try await LoadServer()
        let plan = try server.plan(Self.one("Echo"), .users(2, seconds: 0.3))
        await server.stop()
        let result = try await LoadServer.run(plan)
        #expect(result.calls[0].calls > 0 && result.calls[0].calls == result.calls[0].failed)
        #expect(result.calls[0].calls <= 2 * 31)
        #expect(result.calls[0].statuses.allSatisfy { $0.code == StatusCode.unavailable.rawValue })
    }

    @Test func aRunThatIsInterruptedTellsWhatItMeasured() async throws {
        try await withLoadServer { server in
            let engine = try Engine(try server.plan(Self.one("Echo"), .users(2, seconds: 60)))
            async let running = engine.run()
            while server.count("Echo") < 20 { try await Task.sleep(for: .milliseconds(5)) }
            engine.interrupt()
            let result = try await running
            await engine.close()
            #expect(result.endedEarly == "interrupted")
            #expect(result.calls[0].calls >= 20 && Int(result.calls[0].calls) == server.count("Echo"))
            #expect(result.seconds > 0 && result.seconds < 50)
        }
    }

    @Test func theServersProcessIsWatched() async throws {
        try await withLoadServer { server in
            var plan = try server.plan(Self.one("Echo"), .users(2, seconds: 1))
            plan.interval = 200_000_000
            let result = try await LoadServer.run(plan, monitor: ServerMonitor(process: getpid()))
            #expect(result.server.count >= 3)
            #expect(result.server.allSatisfy { $0.residentBytes > 1 << 20 })
            #expect(result.server.contains { $0.processors > 0 })
        }
    }
}
