public import Protobuf

/// What a use case says when it cannot do what it was asked, in the words of the domain.
///
/// The core throws these and knows nothing of status codes; one file in TrellisServer, `ErrorMapping.swift`, says what
/// each becomes on the wire. A message names what was wrong, with which value, and what would be right.
public enum DomainError: Error, Equatable, Sendable {
    /// There is no such resource, or none that the caller may know of.
    case notFound(resource: String, id: String)
    /// Another resource holds the value already. `field` is the request's field.
    case alreadyExists(resource: String, field: String, value: String)
    /// Fields of the request hold what they cannot hold.
    case invalid([FieldViolation])
    /// The system is not in the state that the call needs; what it needs is in the description.
    case failedPrecondition(Precondition)
    /// The resource has changed since the caller read it.
    case etagMismatch(resource: String, id: String)
    /// The request id was used before, by the same caller, for the same method, with another body.
    case requestIDReused(String)
    /// The call lost against others that wanted the same rows, as often as it was tried.
    case contention
    /// The caller holds no valid credential.
    case unauthenticated(CredentialProblem)
    /// The caller's credential does not have the permission.
    case permissionDenied(permission: String)
    /// The caller's credential is of the wrong kind for this method.
    case wrongCredentialKind(required: CredentialKind)
    /// The tenant does not let itself be administered from the caller's address.
    case addressNotAllowed(String)
    /// The caller asked to give away permissions that it does not hold itself.
    case escalation(permissions: [String])
    /// Nobody of the caller's tenant is let in.
    case tenantClosed(TenantClosure)
    /// A limit of the tenant or of the server was reached.
    case resourceExhausted(Exhaustion)

    /// A state that the call needs and did not find.
    public struct Precondition: Equatable, Sendable {
        /// The machine-readable reason in UPPER_SNAKE_CASE, at most 63 characters.
        public var reason: String
        /// What the condition is about, such as `releases/<id>`.
        public var subject: String
        /// What is wrong and what would be right.
        public var description: String

        /// Takes the parts.
        public init(reason: String, subject: String, description: String) {
            self.reason = reason
            self.subject = subject
            self.description = description
        }
    }

    /// A limit that was reached.
    public struct Exhaustion: Equatable, Sendable {
        /// The machine-readable reason in UPPER_SNAKE_CASE, at most 63 characters.
        public var reason: String
        /// What is limited, such as `tenants/<id>`.
        public var subject: String
        /// The limit, and what to do about it.
        public var description: String
        /// After how long trying again may help; nil when that does not.
        public var retryAfter: Duration?

        /// Takes the parts.
        public init(reason: String, subject: String, description: String, retryAfter: Duration? = nil) {
            self.reason = reason
            self.subject = subject
            self.description = description
            self.retryAfter = retryAfter
        }
    }

    /// Why a credential was refused. Nothing here helps to guess one.
    public enum CredentialProblem: Equatable, Sendable {
        /// There was no `authorization` metadata.
        case missing
        /// It is neither `Bearer trl_...`, with the right checksum, nor `Bearer` and an access token: a part was cut off or
        /// mistyped.
        case malformed
        /// It is unknown, expired or revoked.
        case refused
        /// It is an access token that has run out.
        case expired
        /// The e-mail address or the password is wrong.
        case signIn
        /// The refresh token is unknown, was used, or belongs to a session that has ended.
        case refresh
        /// There was no `authorization` metadata, and the client certificate is no service principal's.
        case unknownCertificate
    }

    /// The kinds of credential that a method can require.
    public enum CredentialKind: Equatable, Sendable {
        /// A credential of a tenant.
        case tenant
        /// The platform's own.
        case platform
    }

    /// One field that holds what it cannot hold.
    public static func invalid(_ field: String, _ description: String) -> DomainError {
        .invalid([FieldViolation(field: field, reason: description)])
    }
}

extension DomainError {
    /// The machine-readable reason, in UPPER_SNAKE_CASE: what programs decide by.
    public var reason: String {
        switch self {
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .invalid: "INVALID_FIELDS"
        case .failedPrecondition(let precondition): precondition.reason
        case .etagMismatch: "ETAG_MISMATCH"
        case .requestIDReused: "REQUEST_ID_REUSED"
        case .contention: "CONTENTION"
        case .unauthenticated(.missing): "CREDENTIAL_MISSING"
        case .unauthenticated(.malformed): "CREDENTIAL_MALFORMED"
        case .unauthenticated(.refused): "CREDENTIAL_REFUSED"
        case .unauthenticated(.expired): "CREDENTIAL_EXPIRED"
        case .unauthenticated(.signIn): "SIGN_IN_REFUSED"
        case .unauthenticated(.refresh): "REFRESH_TOKEN_REFUSED"
        case .permissionDenied: "PERMISSION_DENIED"
        case .unauthenticated(.unknownCertificate): "CERTIFICATE_UNKNOWN"
        case .addressNotAllowed: "ADDRESS_NOT_ALLOWED"
        case .wrongCredentialKind: "WRONG_CREDENTIAL_KIND"
        case .escalation: "PERMISSION_ESCALATION"
        case .tenantClosed(.suspended): "TENANT_SUSPENDED"
        case .tenantClosed(.deleted), .tenantClosed(.purged): "TENANT_DELETED"
        case .resourceExhausted(let exhaustion): exhaustion.reason
        }
    }

    /// What was wrong, with which value, and what would be right: for people.
    public var message: String {
        switch self {
        case .notFound(let resource, let id):
            "there is no \(resource) with id \(id)"
        case .alreadyExists(let resource, let field, let value):
            "there is already a \(resource) with \(field) \"\(value)\": choose another"
        case .invalid(let violations):
            violations.map { "\($0.field): \($0.reason)" }.joined(separator: "; ")
        case .failedPrecondition(let precondition):
            precondition.description
        case .etagMismatch(let resource, let id):
            "\(resource) \(id) has changed since it was read: get it again and repeat the change with its new etag"
        case .requestIDReused(let id):
            "request_id \"\(id)\" was used for another request: a new request needs a new request_id"
        case .contention:
            "other calls wanted the same rows at the same time: try again"
        case .unauthenticated(.missing):
            "no credential: send metadata authorization: Bearer <API key or access token>"
        case .unauthenticated(.malformed):
            "authorization is not \"Bearer\" and a whole API key or access token: part of it is missing or mistyped"
        case .unauthenticated(.refused):
            "the API key or session is unknown, expired or revoked: sign in, or ask whoever administers the tenant for a key"
        case .unauthenticated(.expired):
            "the access token has run out: get the next one with RefreshSession"
        case .unauthenticated(.signIn):
            "the e-mail address or the password is wrong"
        case .unauthenticated(.refresh):
            "the refresh token is unknown, was used before, or its session has ended: sign in again"
        case .unauthenticated(.unknownCertificate):
            "the client certificate is no service principal's: have the platform bind it, or send metadata "
                + "authorization: Bearer <API key>"
        case .addressNotAllowed(let address):
            "the tenant cannot be administered from \(address): call from an address of its allow list"
        case .permissionDenied(let permission):
            "this needs the permission \(permission), which the credential does not have"
        case .wrongCredentialKind(.tenant):
            "this needs a credential of a tenant"
        case .wrongCredentialKind(.platform):
            "this needs the platform's credential"
        case .escalation(let permissions):
            "nobody can give away permissions that they do not hold there: \(permissions.joined(separator: ", "))"
        case .tenantClosed(.suspended):
            "the tenant is suspended, and nobody of it is let in: ask whoever runs this platform"
        case .tenantClosed(.deleted), .tenantClosed(.purged):
            "the tenant is deleted, and nobody of it is let in: ask whoever runs this platform"
        case .resourceExhausted(let exhaustion):
            exhaustion.description
        }
    }
}
