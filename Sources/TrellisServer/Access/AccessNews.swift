import Primitives
import Synchronization

/// What one loop is told of changes of access: written by ``AccessEpochs``, from its loop, and read by the loop's
/// ``Doorkeeper`` before it lets anybody in whom it remembers.
///
/// Telling is done when the call returns: whoever is let in after it, on whatever loop, is let in on the news.
final class AccessNews: Sendable {
    /// What is to be forgotten.
    struct Changes {
        /// The callers of these tenants; the zero UUID stands for the platform.
        var tenants: Set<UUID> = []
        /// All callers.
        var isEverything = false
    }

    private let isNew = Atomic<Bool>(false)
    private let changes = Mutex(Changes())
    private let trustEnd = Atomic<UInt64>(0)

    /// Until when what is remembered may be trusted, in nanoseconds of `EventLoop.now`; 0 when it may not.
    var trustedUntil: UInt64 {
        get { trustEnd.load(ordering: .acquiring) }
        set { trustEnd.store(newValue, ordering: .releasing) }
    }

    /// Whether there is something to ``take()``.
    var isThere: Bool { isNew.load(ordering: .acquiring) }

    /// Says that the callers of a tenant, or all of them, are to be forgotten.
    func tell(of tenant: UUID?) {
        changes.withLock {
            if let tenant { $0.tenants.insert(tenant) } else { $0.isEverything = true }
            isNew.store(true, ordering: .releasing)
        }
    }

    /// Takes over what was told.
    func take() -> Changes {
        changes.withLock { changes in
            defer { changes = Changes() }
            isNew.store(false, ordering: .releasing)
            return changes
        }
    }
}
