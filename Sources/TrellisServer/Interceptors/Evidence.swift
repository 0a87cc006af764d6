import Credentials
import Domain
import HTTP2
import Postgres
import Primitives
import Tenancy

/// What a caller shows to say who they are.
enum Evidence: Sendable {
    /// An authorization header `Bearer trl_...`, and what it says.
    case key([UInt8], Credential)
    /// An authorization header `Bearer` and an access token, and the token.
    case accessToken([UInt8], String)
    /// A client certificate that was verified.
    case certificate(PeerIdentity)

    private static let scheme = Array("bearer ".utf8)

    /// Reads an authorization header; the scheme's case does not count (RFC 9110, section 11.1).
    ///
    /// Throws ``DomainError/unauthenticated(_:)``.
    init(header: [UInt8]) throws(DomainError) {
        guard header.count > Self.scheme.count, zip(header, Self.scheme).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) else {
            throw .unauthenticated(.malformed)
        }
        let text = String(decoding: header.dropFirst(Self.scheme.count), as: UTF8.self)
        // An access token has dots, a key has none.
        guard !text.contains(".") else {
            self = .accessToken(header, text)
            return
        }
        guard let credential = Credential(secret: text) else { throw .unauthenticated(.malformed) }
        self = .key(header, credential)
    }

    /// By what it is remembered: the header, or the fingerprint of the certificate.
    var bytes: [UInt8] {
        switch self {
        case .key(let header, _), .accessToken(let header, _): header
        case .certificate(let identity): Array(identity.fingerprint.utf8)
        }
    }

    /// Whether it is a certificate.
    var isCertificate: Bool {
        if case .certificate = self { true } else { false }
    }

    /// The tenant that it claims to be of, the zero UUID for the platform; nil when it does not say.
    var tenant: UUID? {
        guard case .key(_, let credential) = self else { return nil }
        guard case .tenant(let tenant) = credential.owner else { return .zero }
        return tenant
    }

    /// What it is refused with.
    var refusal: DomainError.CredentialProblem { isCertificate ? .unknownCertificate : .refused }

    /// Looks up whom it stands for; throws ``RefusedCaller`` for who is let in no more. On the database's loop.
    func look(
        in database: Database,
        _ accessTokens: AccessTokens,
        _ catalogue: PermissionCatalogue
    ) async throws -> Admission.Admitted? {
        switch self {
        case .key(_, let credential):
            return try await Admission.admit(credential, database, catalogue)
        case .accessToken(_, let token):
            let session = try await accessTokens.admit(token, catalogue)
            return Admission.Admitted(
                scope: session.scope,
                expires: session.expires,
                epoch: session.epoch,
                addresses: AllowedAddresses(stored: session.networks),
                use: nil,
                standing: session.standing
            )
        case .certificate(let identity):
            let names = CertificateName.all(
                subject: identity.subject,
                dnsNames: identity.dnsNames,
                uris: identity.uris,
                fingerprint: identity.fingerprint
            )
            return try await Admission.admit(names, database)
        }
    }
}
