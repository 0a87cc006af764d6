public import Primitives

/// How people sign in to a server.
public struct CredentialSettings: Sendable {
    /// Who the access tokens say they are from (`iss`): the same for all servers of a database.
    public var issuer = "trellis"
    /// Whom the access tokens are for (`aud`).
    public var audience = "trellis"
    /// What a hash of a password costs. Raised, passwords are hashed anew when their owners next sign in.
    public var passwordCost = PasswordCost.standard
    /// Passwords that are hashed at the same time at most: each takes a core, and the memory of its cost.
    public var hashesAtOnce = 2
    /// By which way tokens of RequestPasswordReset reach people; nil for none.
    public var resetDelivery: (any PasswordResetDelivery)?

    /// The defaults.
    public init() {}

    /// How long an access token lasts, in seconds.
    static let accessSeconds: Int64 = 15 * 60
    /// How long a session lasts whose tokens are not exchanged, in microseconds.
    static let sessionMicroseconds: Int64 = 30 * 86_400_000_000
    /// How long a token lasts with which somebody chooses a new password, in microseconds.
    static let resetMicroseconds: Int64 = 3_600_000_000
}

/// Sends people the token with which they choose a new password, such as by e-mail.
public protocol PasswordResetDelivery: Sendable {
    /// Sends a token to who has the address. What it throws goes to the server's log, and nobody tries again: people
    /// ask again.
    func deliver(_ message: PasswordResetMessage) async throws
}

/// What somebody is sent who has asked for a new password.
public struct PasswordResetMessage: Sendable {
    /// To whom.
    public let email: String
    /// How they are called.
    public let displayName: String
    /// What ResetPassword takes.
    public let token: String
    /// Until when.
    public let expireTime: Instant
}
