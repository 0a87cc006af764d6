import Files
import Protobuf
import RPC
import Synchronization
import Terminal
import Testing
import TrellisAPI

@testable import LoadTesting

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct ScenarioTests {
    @Test(arguments: [
        (#"{"flows": [}"#, "line 1, column 12: } where a value should begin"),
        ("{\n// only this\n}", #"line 1: the scenario has no "flows""#),
        ("{\n\"flow\": []\n}", "line 2: flow is not known; did you mean flows?"),
        (
            "{\"flows\": [\n{\"steps\": [\n{\"call\": \"load.Test/Ecko\"}]}]}",
            "line 3: flows[0].steps[0].call is wrong: there is no method 'load.Test/Ecko' in the test's contract: did you mean load.Test/Echo?"
        ),
        (
            "{\"flows\": [{\"steps\": [{\"call\": \"load.Test/Echo\",\n\"request\": {\"unit\": 1}}]}]}",
            "line 2: flows[0].steps[0].request"
        ),
        (
            "{\"flows\": [{\"steps\": [{\"call\": \"load.Test/Echo\",\n\"request\": {\"units\": \"${nobody}\"}}]}]}",
            "line 2: flows[0].steps[0].request is wrong: ${nobody} is not known here; there are user, iteration"
        ),
        (
            "{\"flows\": [{\"steps\": [{\"call\": \"load.Test/Echo\", \"request\": {\n\"unit\": \"${user}\"}}]}]}",
            "line 2: flows[0].steps[0].request.unit is no field of google.type.Money; did you mean units?"
        ),
        (
            "{\"flows\": [{\"steps\": [{\"call\": \"load.Test/Echo\",\n\"deadline\": 5}]}]}",
            "line 2: flows[0].steps[0].deadline is 5; it must be a number and a unit"
        ),
        (
            "{\"flows\": [{\"steps\": [{\"call\": \"load.Test/Echo\",\n\"expect\": [\"NOTFOUND\"]}]}]}",
            "line 2: flows[0].steps[0].expect[0] is \"NOTFOUND\", which is no status; did you mean NOT_FOUND?"
        ),
        (
            "{\"flows\": [{\"steps\": [{\"call\": \"load.Test/Echo\",\n\"save\": {\"x\": \"unit\"}}]}]}",
            "line 2: flows[0].steps[0].save.x begins with unit, which google.type.Money does not have; it has currencyCode"
        ),
        (
            "{\"flows\": [{\"steps\": [{\"call\": \"load.Test/Echo\",\n\"messages\": 2}]}]}",
            "line 2: flows[0].steps[0].messages is for methods that take a stream"
        ),
        (
            "{\"flows\": [{\"steps\": [{\"call\": \"load.Test/Echo\",\n\"metadata\": {\"Upper\": \"x\"}}]}]}",
            "line 2: flows[0].steps[0].metadata.Upper has a name that is not lower-case"
        ),
        (
            "{\"flows\": [{\"steps\": [\n{\"pause\": \"9ms..1ms\"}]}]}",
            "line 2: flows[0].steps[0].pause is \"9ms..1ms\"; it must be a time, or two such as 10ms..50ms, the shorter one first"
        ),
        (
            "{\"flows\": [{\"weight\":\n-1, \"steps\": [{\"pause\": \"1ms\"}]}]}",
            "line 2: flows[0].weight is -1; it must be"
        ),
        ("{\"flows\": [{\"weight\": 0, \"steps\": [{\"pause\": \"1ms\"}]}]}", "flows have no weight above 0"),
        (
            "{\"feeders\": {\"a\":\n{\"file\": \"none.csv\"}}, \"flows\": []}",
            "line 2: feeders.a.file cannot be used: cannot read"
        ),
        ("{\"flows\": [\n]}", "line 1: flows has 0 elements; there must be 1 to 100"),
    ])
    func whatIsWrongIsSaidWithItsLineAndFieldAndWhatWouldBeRight(_ text: String, _ expected: String) {
        let error = #expect(throws: UsageError.self) { try LoadServer.scenario(text) }
        #expect(error!.description.contains(expected), "\(error!)")
    }

    @Test func whatIsBeyondALimitIsRefusedWithTheLimit() throws {
        let step = #"{"call": "load.Test/Sum", "messages": COUNT}"#
        func flows(_ count: Int, _ step: String) -> String {
            let flow = (0..<count).map { #"{"name": "\#($0)", "steps": [\#(step)]}"# }
            return #"{"flows": [\#(flow.joined(separator: ","))]}"#
        }
        let most = step.replacing("COUNT", with: "\(ScenarioReader.messagesMax)")
        #expect(try LoadServer.scenario(flows(ScenarioReader.flowsMax, most)).flows.count == ScenarioReader.flowsMax)
        for text in [
            flows(ScenarioReader.flowsMax + 1, most),
            flows(1, step.replacing("COUNT", with: "\(ScenarioReader.messagesMax + 1)")),
            flows(1, (0...ScenarioReader.stepsMax).map { _ in #"{"pause": "1ms"}"# }.joined(separator: ",")),
        ] {
            let error = #expect(throws: UsageError.self) { try LoadServer.scenario(text) }
            #expect(error!.description.contains("1 to "))
        }
    }

    @Test func commentsKeepLinesAndAreNotSeenInStrings() throws {
        let text = "{ // one\n/* two\n*/ \"a\": \"// no /* comment\", /**/ \"b\": [1, /* x */ {\"c\":\n2}]}"
        let document = try CommentedJSON(text)
        #expect(document.value["a"]?.text == "// no /* comment")
        #expect(document.line(of: ["a"]) == 3)
        #expect(document.line(of: ["b", "1", "c"]) == 4)
        #expect(document.line(of: ["b", "1", "missing"]) == 3)
    }

    @Test func placeholdersKeepNumbersAndAreMadeAnewEachTime() throws {
        let scope = TemplateScope(feeders: ["f": ["n", "t"]], saved: ["id"]) { $0 == "WHO" ? "me" : nil }
        var variables = Variables(
            saved: ["id": .number("7")],
            rows: ["f": ["n": .number("42"), "t": .string("x")]],
            user: 3,
            iteration: 9,
            random: SplitMix64(seed: 1, lane: 0)
        )
        let value = try JSONValue(
            parsing:
                #"{"a": "${f.n}", "b": ["n=${f.n} ${id}", "$${raw}"], "c": "${env:WHO}-${user}-${iteration}", "d": 1}"#
        )
        let made = try JSONTemplate(value, scope).value(&variables)
        #expect(made.written() == #"{"a":42,"b":["n=42 7","${raw}"],"c":"me-3-9","d":1}"#)
        let random = try TextTemplate("${random:5:6}", scope)
        let found = Set(try (0..<100).map { _ in try random.text(&variables) })
        #expect(found == ["5", "6"])
        let uuid = try TextTemplate("${uuid}", scope)
        #expect(try uuid.text(&variables) != (try uuid.text(&variables)))
        for (wrong, why) in [
            ("${f.z}", "no column z"), ("${random:6:5}", "two whole numbers"),
            ("${env:NONE}", "environment has no NONE"),
            ("${id", "no '}'"),
        ] {
            let error = #expect(throws: TemplateError.self) { try TextTemplate(wrong, scope) }
            #expect(error!.description.contains(why))
        }
        variables.saved = [:]
        #expect(throws: TemplateError.self) { try TextTemplate("${id}", scope).value(&variables) }
    }

    @Test func stepsPassOnWhatTheySaveAndEachIterationTakesARow() async throws {
        let folder = "/tmp/trellis-load-\(getpid())-steps"
        try Files.makeFolder(folder, mode: 0o700)
        try Files.writePrivately("code,units\nAAA,1\nBBB,2\nCCC,3\n", to: folder + "/rows.csv")
        try Files.writePrivately("{\"n\": 10}\n\n{\"n\": 20}\n", to: folder + "/lines.jsonl")
        let text = """
            {"feeders": {"rows": {"file": "rows.csv", "order": "circular"}, "lines": {"file": "lines.jsonl"}},
             "metadata": {"who": "${env:WHO}-${rows.code}"},
             "setup": [{"call": "load.Test/Echo", "name": "prepare", "request": {"units": 99}, "save": {"base": "units"}}],
             "flows": [{"name": "both", "steps": [
                {"call": "load.Test/Echo", "name": "first", "request": {"currencyCode": "${rows.code}", "units": "${rows.units}"},
                 "save": {"code": "currencyCode"}},
                {"pause": "1ms..2ms"},
                {"call": "load.Test/Echo", "name": "second", "request": {"currencyCode": "${code}!", "units": "${base}",
                 "nanos": "${lines.n}"}, "metadata": {"who": "second"}}]}]}
            """
        try await withLoadServer { server in
            var plan = try server.plan(text, .users(1), folder: folder)
            plan.count = 6
            let result = try await LoadServer.run(plan)
            let seen = server.seen.withLock { $0["Echo"]! }
            #expect(seen.count == 13)
            #expect(seen[0].units == 99)
            #expect(
                seen.dropFirst().map(\.currencyCode) == ["AAA", "AAA!", "BBB", "BBB!", "CCC", "CCC!"] + [
                    "AAA", "AAA!", "BBB", "BBB!", "CCC", "CCC!",
                ]
            )
            #expect(stride(from: 2, to: 13, by: 2).map { seen[$0].nanos } == [10, 20, 10, 20, 10, 20])
            #expect(stride(from: 2, to: 13, by: 2).allSatisfy { seen[$0].units == 99 })
            #expect(server.metadata.withLock { $0[1...4] } == ["me-AAA", "second", "me-BBB", "second"])
            #expect(result.calls.map(\.name) == ["first", "second"])
            #expect(result.calls.map(\.calls) == [6, 6])
            #expect(result.flows.map(\.calls) == [6])
            #expect(result.flows[0].latency.minimum >= 1_000_000)
        }
    }

    @Test func sequentialRowsAreUsedOnceAndEndTheRun() async throws {
        let folder = "/tmp/trellis-load-\(getpid())-rows"
        try Files.makeFolder(folder, mode: 0o700)
        try Files.writePrivately("n\n" + (1...25).map { "\($0)\n" }.joined(), to: folder + "/rows.csv")
        let text = """
            {"feeders": {"rows": {"file": "rows.csv", "order": "sequential"}},
             "flows": [{"steps": [{"call": "load.Test/Echo", "request": {"units": "${rows.n}"}}]}]}
            """
        try await withLoadServer { server in
            var plan = try server.plan(text, .users(4, seconds: 60), folder: folder)
            (plan.threads, plan.connections) = (2, 2)
            let result = try await LoadServer.run(plan)
            #expect(server.seen.withLock { $0["Echo"]!.map(\.units).sorted() } == Array(1...25))
            #expect(result.endedEarly.contains("rows"))
            #expect(result.calls[0].calls == 25)
        }
    }

    @Test func processesShareTheRowsOfAFeeder() {
        let rows = (0..<10).map { ["n": JSONValue.number("\($0)")] }
        var random = SplitMix64(seed: 1, lane: 0)
        var taken: [String] = []
        for process in 0..<3 {
            let feeder = Feeder(
                name: "f",
                order: .sequential,
                columns: ["n"],
                rows: rows,
                process: (process, 3)
            )
            while let row = feeder.take(&random) { taken.append(row["n"]!.written()) }
        }
        #expect(taken.sorted() == (0..<10).map { "\($0)" })
    }

    @Test func flowsMixByTheirWeights() async throws {
        let text = """
            {"flows": [{"name": "often", "weight": 3, "steps": [{"call": "load.Test/Echo", "name": "often"}]},
                       {"name": "rare", "weight": 1, "steps": [{"call": "load.Test/Echo", "name": "rare"}]}]}
            """
        try await withLoadServer { server in
            var plan = try server.plan(text, .users(4))
            plan.count = 4000
            let result = try await LoadServer.run(plan)
            #expect(result.calls.map(\.calls).reduce(0, +) == 4000)
            // The deviation is 27; five of them.
            #expect(abs(Int(result.calls[1].calls) - 1000) < 137)
        }
    }

    @Test func aFailedStepEndsItsIterationUnlessItSaysOtherwise() async throws {
        for (rest, second) in [("", 20), (#", "continue": true"#, 30)] {
            let text = """
                {"flows": [{"steps": [{"call": "load.Test/Echo", "name": "a", "request": {"currencyCode": "FAIL"}\(rest)},
                                      {"call": "load.Test/Slow", "name": "b"}]}]}
                """
            try await withLoadServer { server in
                var plan = try server.plan(text, .users(1))
                plan.count = 30
                let result = try await LoadServer.run(plan)
                #expect(result.calls[0].failed == 10)
                #expect(server.count("Slow") == second)
            }
        }
    }

    @Test func aSetUpThatFailsAndARequestThatCannotBeMadeEndTheRunWithTheReason() async throws {
        try await withLoadServer { server in
            let setup = """
                {"setup": [{"call": "load.Test/Slow", "request": {"units": 60000}, "deadline": "20ms"}],
                 "flows": [{"steps": [{"call": "load.Test/Echo"}]}]}
                """
            let plan = try server.plan(setup, .users(1))
            var error = await #expect(throws: UsageError.self) { try await LoadServer.run(plan) }
            #expect(error!.description.contains("set-up of the scenario failed: DEADLINE_EXCEEDED"))
            let request = #"{"flows": [{"steps": [{"call": "load.Test/Echo", "request": {"units": "${uuid}"}}]}]}"#
            let other = try server.plan(request, .users(1))
            error = await #expect(throws: UsageError.self) { try await LoadServer.run(other) }
            #expect(error!.description.hasPrefix("Echo: the request cannot be made: units: "))
        }
    }
}
