import EventLoop
import Testing

@Suite("PreciseTimer")
struct PreciseTimerTests {
    /// What a timer did, on its loop.
    private final class Record: @unchecked Sendable {
        // @unchecked: confined to its loop.
        var firings: [UInt64] = []
        var timer: PreciseTimer?
        var waiting: CheckedContinuation<Void, Never>?
    }

    @Test("it fires once a setting, never before its time, and at once for a time that is over")
    func fires() async throws {
        let (due, firings) = try await onLoop { loop in
            let record = Record()
            record.timer = try PreciseTimer(loop: loop) {
                record.firings.append(loop.now)
                record.waiting.take()?.resume()
            }
            var due: [UInt64] = []
            for delay in [300_000, 1, 2_500_000, 0] as [UInt64] {
                await withCheckedContinuation { continuation in
                    record.waiting = continuation
                    due.append(delay == 0 ? 0 : loop.now + delay)
                    record.timer?.set(at: due[due.count - 1])
                }
            }
            record.timer?.close()
            return (due, record.firings)
        }
        #expect(firings.count == 4)
        for (time, firing) in zip(due, firings) { #expect(firing >= time) }
    }

    @Test("setting it anew forgets the time before, and closing it forgets both")
    func forgets() async throws {
        let firings = try await onLoop { loop in
            let record = Record()
            let begin = loop.now
            record.timer = try PreciseTimer(loop: loop) { record.firings.append(loop.now - begin) }
            record.timer?.set(at: begin + 1_000_000)
            record.timer?.set(at: begin + 8_000_000)
            try await loop.sleep(for: .milliseconds(20))
            record.timer?.set(at: loop.now + 1_000_000)
            record.timer?.close()
            try await loop.sleep(for: .milliseconds(5))
            return record.firings
        }
        #expect(firings.count == 1)
        #expect(firings.allSatisfy { $0 >= 8_000_000 })
    }
}
