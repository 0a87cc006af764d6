internal import Domain
internal import EventLoop
public import Primitives
internal import Synchronization

/// Hashes passwords and compares them with hashes: off the loop, and only some at a time, because each takes a core and
/// tens of megabytes. Whoever comes when too many wait is refused, so that a flood of sign-ins takes neither. One a
/// process.
public final class Passwords: Sendable {
    /// Callers that may wait for their turn.
    static let maximumWaiting = 256

    private let cost: PasswordCost
    private let nobody: String
    private let places: Mutex<Places>

    private struct Places {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// What has come of a comparison.
    public enum Verdict: Equatable, Sendable {
        /// The password is another, or there is none.
        case wrong
        /// It is the one; with the hash that is to be kept from now on, when the cost has changed.
        case right(rehashed: String?)
    }

    /// Takes what hashes cost, and how many may be made at the same time.
    public init(cost: PasswordCost, atOnce: Int) {
        self.cost = cost
        nobody = Argon2id.impossible(cost)
        places = Mutex(Places(free: max(1, atOnce)))
    }

    /// The hash of a new password.
    public func hash(_ password: String) async throws -> String {
        let (bytes, cost) = (Array(password.utf8), cost)
        return try await inTurn { try Self.hash(bytes, cost) }
    }

    /// Compares a password with a hash. Without one it takes as long, and is wrong.
    public func verify(_ password: String, _ hash: String?) async throws -> Verdict {
        let (bytes, known, cost) = (Array(password.utf8), hash ?? nobody, cost)
        return try await inTurn {
            guard Argon2id.verify(bytes, known) else { return .wrong }
            return .right(rehashed: Argon2id.needsRehash(known, cost) ? try Self.hash(bytes, cost) : nil)
        }
    }

    private static func hash(_ password: [UInt8], _ cost: PasswordCost) throws(DomainError) -> String {
        guard let hash = Argon2id.hash(password, cost) else { throw overload }
        return hash
    }

    private static let overload = DomainError.resourceExhausted(
        .init(
            reason: "SIGN_IN_OVERLOAD",
            subject: "server",
            description: "more people sign in than the server can compare passwords of: try again",
            retryAfter: .seconds(2)
        )
    )

    /// Runs `body` off the loop when it is its turn.
    private func inTurn<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        guard places.withLock({ $0.waiting.count < Self.maximumWaiting }) else { throw Self.overload }
        await withCheckedContinuation { continuation in
            let isFree = places.withLock { places in
                guard places.free > 0 else {
                    places.waiting.append(continuation)
                    return false
                }
                places.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
        defer {
            let next = places.withLock { places -> CheckedContinuation<Void, Never>? in
                guard places.waiting.isEmpty else { return places.waiting.removeFirst() }
                places.free += 1
                return nil
            }
            next?.resume()
        }
        try Task.checkCancellation()
        return try await Offload.run(body)
    }
}
