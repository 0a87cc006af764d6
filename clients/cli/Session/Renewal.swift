import Primitives
import TrellisAPI
import TrellisClient

/// What the next tokens of a session are got with, and where they are kept.
struct Renewal: Sendable {
    let profile: String
    let credentials: Home.Credentials
    let refresh: Home.Refresh

    /// How long before it ends an access token is exchanged, in seconds: it must last for the call.
    private static let margin: Int64 = 60

    /// Whether the access token will not last for a call.
    var isDue: Bool { Instant.now().secondsFloor >= refresh.expires - Self.margin }

    /// The request that exchanges the token. Its id is made of the token, so that two programs, or one that was interrupted
    /// before it could store the answer, get the same one.
    var request: RefreshSessionRequest {
        let hash = SHA256.hash(Array("trellis refresh ".utf8) + Array(refresh.token.utf8))
        return RefreshSessionRequest(refreshToken: refresh.token, requestID: Base32.encode(hash))
    }

    /// What is to be kept from now on.
    func renewed(_ tokens: SessionTokens) -> Home.Credentials {
        var credentials = credentials
        credentials.token = tokens.accessToken
        credentials.refresh = Home.Refresh(tokens)
        return credentials
    }
}

extension Home.Refresh {
    /// What is kept of a session's tokens.
    init(_ tokens: SessionTokens) {
        self.init(token: tokens.refreshToken, expires: tokens.accessExpireTime?.seconds ?? 0)
    }
}
