internal import Protobuf
internal import Terminal

extension RunResult {
    /// How results go together.
    enum MergeMode: String, CaseIterable {
        /// The loads were on the server at the same time: rates add up.
        case together
        /// One run after another: their measured times add up.
        case consecutive
    }

    /// Whether two runs were at the same time for half of the shorter one at least.
    private func overlaps(_ other: RunResult) -> Bool {
        let begin = max(startedAt, other.startedAt)
        let end = min(startedAt + Int64(seconds * 1e6), other.startedAt + Int64(other.seconds * 1e6))
        return Double(end - begin) >= min(seconds, other.seconds) * 1e6 / 2
    }

    /// All results as one, without loss: every count and every slot of every histogram is a sum.
    ///
    /// - Parameter mode: nil looks at when they were.
    /// - Throws: `UsageError` when they do not fit together.
    static func merged(_ results: [RunResult], mode: MergeMode? = nil) throws(UsageError) -> RunResult {
        guard var all = results.first else { throw UsageError("there is nothing to merge") }
        let mode = mode ?? (results.dropFirst().allSatisfy { all.overlaps($0) } ? .together : .consecutive)
        for result in results.dropFirst() {
            guard result.intervalSeconds == all.intervalSeconds else {
                throw UsageError(
                    "one result has intervals of \(all.intervalSeconds) s, another of \(result.intervalSeconds) s: "
                        + "run both with the same --interval"
                )
            }
            guard result.isOpenLoop == all.isOpenLoop else {
                throw UsageError(
                    "one result is of an open loop, another of a closed one: their latencies differ in kind"
                )
            }
            var offset = 0
            var later = 0.0
            if mode == .consecutive {
                let last = all.total.intervals.last.map { $0.index + 1 } ?? 0
                offset = max(last, Int((all.seconds / all.intervalSeconds).rounded(.up)))
                later = Double(offset) * all.intervalSeconds
                all.seconds += result.seconds
            } else {
                all.seconds = max(all.seconds, result.seconds)
            }
            Self.add(result.calls, to: &all.calls, offset)
            Self.add(result.flows, to: &all.flows, offset)
            let threads = all.generator.threads
            all.generator.add(result.generator)
            if mode == .consecutive {
                // The same threads again, or others: what matters is how busy the busiest was.
                all.generator.threads = Self.highest(threads, result.generator.threads)
            }
            // Of processes beside each other each watched the same server; one series is enough.
            if mode == .consecutive || all.server.isEmpty {
                all.server += result.server.map { sample in
                    var sample = sample
                    sample.second += later
                    return sample
                }
            }
            all.startedAt = min(all.startedAt, result.startedAt)
            if all.endedEarly.isEmpty { all.endedEarly = result.endedEarly }
        }
        return all
    }

    private static func highest(_ left: [Double], _ right: [Double]) -> [Double] {
        (0..<max(left.count, right.count)).map { index in
            max(index < left.count ? left[index] : 0, index < right.count ? right[index] : 0)
        }
    }

    private static func add(_ others: [CallResult], to all: inout [CallResult], _ offset: Int) {
        for other in others {
            if let index = all.firstIndex(where: { $0.name == other.name && $0.method == other.method }) {
                all[index].add(other, offset: offset)
            } else {
                var moved = CallResult(name: other.name, method: other.method)
                moved.add(other, offset: offset)
                all.append(moved)
            }
        }
    }
}
