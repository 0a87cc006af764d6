internal import Domain
internal import Postgres
internal import Primitives

/// An attempt to show a password, counted as a failure before it is looked at, so that many at the same time are no way
/// around ``Lockout``.
struct Attempt: Sendable {
    let account: [UInt8]
    let network: [UInt8]
    /// Whether the account's own counter counts it: not from where somebody has signed in before.
    let countsForAccount: Bool

    /// Begins an attempt on an account, of which `account` is a keyed hash.
    ///
    /// Throws ``DomainError/resourceExhausted(_:)`` when it must wait. On the database's loop.
    static func begin(
        _ account: [UInt8],
        from client: Client,
        _ keyring: Keyring,
        _ database: Database
    ) async throws -> Attempt {
        let network = keyring.index(Hex.encode(NetworkAddress.network(of: client.address)), kind: "network")
        return try await database.transaction(Scope.platformSettings) { transaction in
            let (_, rows) = try await transaction.run(
                SignInAttemptEnsure(account: account, network: network),
                SignInAttemptLock(account: account, network: network)
            )
            guard rows.count == 2, let now = rows.first?.time else {
                throw PostgresError(.protocol, "an attempt has two counters, but \(rows.count) were found")
            }
            // The empty network sorts first.
            let (ofAccount, ofNetwork) = (rows[0].counter, rows[1].counter)
            let wait = Lockout.wait(network: ofNetwork, account: ofAccount, now: now)
            guard wait == .zero else { throw throttled(wait) }
            let isTrusted = ofNetwork.isTrusted(now)
            let networkFailures = ofNetwork.counted(now, within: Lockout.networkMicroseconds) + 1
            let count = SignInAttemptCount(
                failures: Int32(clamping: networkFailures),
                account: account,
                network: network
            )
            if isTrusted {
                _ = try await transaction.run(count)
            } else {
                let failures = ofAccount.counted(now, within: Lockout.accountMicroseconds) + 1
                _ = try await transaction.run(
                    count,
                    SignInAttemptCount(failures: Int32(clamping: failures), account: account, network: [])
                )
            }
            return Attempt(account: account, network: network, countsForAccount: !isTrusted)
        }
    }

    /// Notes that the password was right. On the database's loop.
    func succeed(_ database: Database) async throws(PostgresError) {
        let note = SignInAttemptSucceed(counted: countsForAccount ? 1 : 0, account: account, network: network)
        _ = try await database.run(note, Scope.platformSettings)
    }

    private static func throttled(_ wait: Duration) -> DomainError {
        let seconds = wait.components.seconds + (wait.components.attoseconds > 0 ? 1 : 0)
        return .resourceExhausted(
            .init(
                reason: "SIGN_IN_THROTTLED",
                subject: "account",
                description: "too many wrong passwords: try again in \(seconds) s",
                retryAfter: .seconds(seconds)
            )
        )
    }
}

extension SignInAttemptLockRow {
    fileprivate var counter: Lockout.Counter {
        Lockout.Counter(failures: Int(failures), last: attemptTime, trusted: trustTime)
    }
}

/// From where somebody signs in.
public struct Client: Sendable {
    /// The address, without the port.
    public let address: String
    /// The program, as it calls itself.
    public let userAgent: String

    /// Takes the peer of a connection, such as `127.0.0.1:50312`, and what the program says of itself.
    public init(peer: String, userAgent: String) {
        address = NetworkAddress.host(of: peer)
        self.userAgent = String(userAgent.prefix(200))
    }
}
