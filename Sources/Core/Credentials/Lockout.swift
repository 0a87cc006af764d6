public import Primitives

/// How long whoever has sent wrong passwords must wait.
///
/// Counted are the wrong passwords for an account from one network, whose wait doubles up to a quarter of an hour, and
/// those for the account from everywhere, whose wait stays short, and does not concern networks from which somebody has
/// signed in to it before: so a guesser gets nowhere, and locks nobody else out for long.
public enum Lockout {
    /// What is known of an account from one network, or from everywhere.
    public struct Counter: Equatable, Sendable {
        /// Passwords that were wrong, or are being compared now.
        public var failures: Int
        /// When the last of them came.
        public var last: Instant
        /// When somebody last signed in to the account from there.
        public var trusted: Instant?

        /// Takes the parts.
        public init(failures: Int, last: Instant, trusted: Instant? = nil) {
            self.failures = failures
            self.last = last
            self.trusted = trusted
        }

        /// The failures that still count: none when the last is longer ago.
        func counted(_ now: Instant, within microseconds: Int64) -> Int {
            last.advanced(byMicroseconds: microseconds) > now ? failures : 0
        }

        /// Whether somebody has signed in from there not too long ago.
        func isTrusted(_ now: Instant) -> Bool {
            trusted.map { $0.advanced(byMicroseconds: Lockout.trustMicroseconds) > now } ?? false
        }
    }

    /// After how long failures from a network are forgotten.
    static let networkMicroseconds: Int64 = 86_400_000_000
    /// After how long failures from everywhere are forgotten.
    static let accountMicroseconds: Int64 = 3_600_000_000
    /// How long a network is remembered from which somebody has signed in.
    static let trustMicroseconds: Int64 = 90 * 86_400_000_000

    /// How long an attempt must wait; zero when it may go on.
    public static func wait(network: Counter, account: Counter, now: Instant) -> Duration {
        let ofNetwork = left(networkDelay(network.counted(now, within: networkMicroseconds)), network.last, now)
        guard !network.isTrusted(now) else { return ofNetwork }
        let ofAccount = left(accountDelay(account.counted(now, within: accountMicroseconds)), account.last, now)
        return max(ofNetwork, ofAccount)
    }

    /// After this many failures from a network, in seconds: 5 after the fifth, doubling up to 900.
    static func networkDelay(_ failures: Int) -> Int64 {
        failures < 5 ? 0 : min(900, 5 << Int64(min(failures - 5, 10)))
    }

    /// After this many failures from everywhere, in seconds: 1 after the tenth, doubling up to 30.
    static func accountDelay(_ failures: Int) -> Int64 {
        failures < 10 ? 0 : min(30, 1 << Int64(min(failures - 10, 10)))
    }

    private static func left(_ seconds: Int64, _ last: Instant, _ now: Instant) -> Duration {
        .microseconds(max(0, last.microseconds + seconds * 1_000_000 - now.microseconds))
    }
}
