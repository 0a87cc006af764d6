internal import Synchronization

/// Counts up, from any thread.
final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    func next() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// Numbers the databases of this process.
let counter = Counter()
