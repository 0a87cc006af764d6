import Domain
import Primitives
import Testing

@Suite("When schedules start their jobs")
struct CronTests {
    @Test(
        "the next time after an instant",
        arguments: [
            ("0 * * * *", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"),
            ("0 * * * *", "2026-03-01T10:59:59.999999Z", "2026-03-01T11:00:00Z"),
            ("0 2 * * *", "2026-03-01T01:59:00Z", "2026-03-01T02:00:00Z"),
            ("0 2 * * *", "2026-03-01T02:00:00Z", "2026-03-02T02:00:00Z"),
            ("0 2 * * *", "2026-12-31T03:00:00Z", "2027-01-01T02:00:00Z"),
            ("*/15 * * * *", "2026-03-01T10:14:59Z", "2026-03-01T10:15:00Z"),
            ("*/15 * * * *", "2026-03-01T10:45:00Z", "2026-03-01T11:00:00Z"),
            ("5-10/5,30 8 * * *", "2026-03-01T08:06:00Z", "2026-03-01T08:10:00Z"),
            ("5-10/5,30 8 * * *", "2026-03-01T08:10:00Z", "2026-03-01T08:30:00Z"),
            ("50/5 * * * *", "2026-03-01T08:51:00Z", "2026-03-01T08:55:00Z"),
            ("0 0 1 1 *", "2026-03-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
            ("0 0 31 * *", "2026-04-01T00:00:00Z", "2026-05-31T00:00:00Z"),
            // 2026-03-01 is a Sunday.
            ("30 6 * * mon", "2026-03-01T00:00:00Z", "2026-03-02T06:30:00Z"),
            ("30 6 * * 7", "2026-03-01T07:00:00Z", "2026-03-08T06:30:00Z"),
            ("30 6 * * 0", "2026-02-28T07:00:00Z", "2026-03-01T06:30:00Z"),
            ("0 0 * * 1-5", "2026-03-06T12:00:00Z", "2026-03-09T00:00:00Z"),
            ("0 0 * * 5-7", "2026-03-07T12:00:00Z", "2026-03-08T00:00:00Z"),
            ("0 0 * * 5-7", "2026-03-08T12:00:00Z", "2026-03-13T00:00:00Z"),
            // Either of two restricted days will do.
            ("0 0 13 * fri", "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z"),
            ("0 0 10 * fri", "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z"),
            ("0 12 1 JAN,jul *", "2026-03-01T00:00:00Z", "2026-07-01T12:00:00Z"),
            ("59 23 31 12 *", "1969-12-30T00:00:00Z", "1969-12-31T23:59:00Z"),
        ]
    )
    func next(text: String, after: String, expected: String) throws {
        let expression = try CronExpression(text)
        let instant = try #require(Instant(rfc3339: after))
        #expect(expression.next(after: instant)?.rfc3339 == expected)
    }

    @Test(
        "what is no cron expression is refused, and the field at fault named",
        arguments: [
            ("", "fields"), ("* * * *", "fields"), ("* * * * * *", "fields"), ("60 * * * *", "minute"),
            ("-1 * * * *", "minute"), ("+1 * * * *", "minute"), ("1,,2 * * * *", "minute"), ("*/0 * * * *", "minute"),
            ("*/+5 * * * *", "minute"), ("1/2/3 * * * *", "minute"), ("5-1 * * * *", "minute"), ("٣ * * * *", "minute"),
            ("a * * * *", "minute"), ("* 24 * * *", "hour"), ("* * 0 * *", "day of month"),
            ("* * 32 * *", "day of month"), ("* * * 0 *", "month"), ("* * * 13 *", "month"), ("* * * mon *", "month"),
            ("* * * * 8", "day of week"), ("* * * * jan", "day of week"), ("0 0 30 2 *", "never"),
            ("0 0 31 4,6,9,11 *", "never"), ("@daily", "fields"),
        ]
    )
    func refused(text: String, fault: String) {
        let error = #expect(throws: CronError.self) { try CronExpression(text) }
        switch error {
        case .fields?: #expect(fault == "fields")
        case .field(let name, _, _)?: #expect(fault == name)
        case .never?: #expect(fault == "never")
        case nil: break
        }
    }

    @Test("the times of a year are as many as they must be, each after the one before")
    func year() throws {
        let start = try #require(Instant(rfc3339: "2027-12-31T23:59:59Z"))
        let end = try #require(Instant(rfc3339: "2028-12-31T23:59:59Z"))
        // 2028 has 366 days, 53 Saturdays and 53 Sundays.
        for (text, count) in [("0 * * * *", 366 * 24), ("0 2 * * *", 366), ("0 0 * * 6,7", 106), ("0 0 1,15 * *", 24)] {
            let expression = try CronExpression(text)
            var (time, times) = (start, 0)
            while let next = expression.next(after: time), next <= end {
                #expect(next > time)
                (time, times) = (next, times + 1)
            }
            #expect(times == count, "\(text)")
        }
    }

    @Test("an interval counts from the epoch, so that all servers agree on its times")
    func interval() throws {
        let every = ScheduleTiming.every(seconds: 600)
        let instant = try #require(Instant(rfc3339: "2026-03-01T10:07:30Z"))
        let next = try #require(every.next(after: instant))
        #expect(next.rfc3339 == "2026-03-01T10:10:00Z")
        #expect(every.next(after: next)?.rfc3339 == "2026-03-01T10:20:00Z")
        #expect("\(every)" == "every 600 s")
        #expect("\(ScheduleTiming.cron(CronExpression(literal: "0 2 * * *")))" == "0 2 * * *")
    }
}

@Suite("What becomes of jobs that fail")
struct RetryPolicyTests {
    @Test("three retries after 2, 4 and 8 seconds; every half hour until it succeeds; none")
    func pauses() {
        let pauses = (1...5).map { RetryPolicy.standard.pause(after: $0) }
        #expect(pauses == [.seconds(2), .seconds(4), .seconds(8), nil, nil])
        for failures in [1, 2, 3, 1000] {
            #expect(RetryPolicy.untilItSucceeds.pause(after: failures) == .seconds(1800))
        }
        #expect(RetryPolicy.untilItSucceeds.warnsAfter == 3)
        #expect(RetryPolicy.never.pause(after: 1) == nil)
    }

    @Test("what the domain refuses is permanent, but for what passes by itself; what is unknown is tried again")
    func permanent() {
        struct Unknown: Error {}
        #expect(isPermanentJobFailure(DomainError.invalid("a", "b")))
        #expect(isPermanentJobFailure(DomainError.notFound(resource: "site", id: "1")))
        #expect(isPermanentJobFailure(PermanentJobFailure(Unknown())))
        #expect(!isPermanentJobFailure(DomainError.contention))
        #expect(
            !isPermanentJobFailure(DomainError.resourceExhausted(.init(reason: "A", subject: "b", description: "c")))
        )
        #expect(!isPermanentJobFailure(Unknown()))
    }
}
