/// The tries of a channel that wait for a connection, in the order in which they came. Confined to the channel's loop.
///
/// One that has been given up stays until it is its turn, or until half of the line is such.
struct AttemptQueue {
    private var attempts: [CallAttempt] = []
    private var start = 0
    private var withdrawn = 0

    /// Given-up tries that may stand in line before they are looked for.
    private static let withdrawnMin = 64

    var isEmpty: Bool { attempts.count - start == withdrawn }

    /// The first that still waits.
    var first: CallAttempt? {
        mutating get {
            while start < attempts.count, attempts[start].isOver {
                start += 1
                withdrawn -= 1
            }
            guard start < attempts.count else {
                attempts.removeAll()
                start = 0
                return nil
            }
            return attempts[start]
        }
    }

    mutating func append(_ attempt: CallAttempt) { attempts.append(attempt) }

    /// Takes the first one away, which was sent.
    mutating func removeFirst() {
        start += 1
        guard start > 256, start * 2 > attempts.count else { return }
        attempts.removeFirst(start)
        start = 0
    }

    /// Notes that one of them is over.
    mutating func withdraw() {
        withdrawn += 1
        guard withdrawn >= Self.withdrawnMin, withdrawn * 2 > attempts.count - start else { return }
        attempts = attempts[start...].filter { !$0.isOver }
        start = 0
        withdrawn = 0
    }

    /// Takes out those that do not wait for a server to be reached.
    mutating func takeImpatient() -> [CallAttempt] {
        let all = takeAll()
        attempts = all.filter(\.waitsForReady)
        return all.filter { !$0.waitsForReady }
    }

    mutating func takeAll() -> [CallAttempt] {
        let all = attempts[start...].filter { !$0.isOver }
        attempts = []
        start = 0
        withdrawn = 0
        return all
    }
}
