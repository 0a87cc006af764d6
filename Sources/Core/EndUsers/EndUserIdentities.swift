public import Domain
internal import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with the identities of end users.
extension EndUsers {
    /// How many identities an end user has at most. Each is opened with every read.
    public static let maximumIdentities = 100

    /// Gives an end user one more identity.
    public static func addIdentity(
        _ request: AddIdentityRequest,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let identity = EndUserIdentity(channel: request.channel, externalID: request.externalID)
        let (before, key) = try await lock(try UUID(request.id, field: "id"), work)
        var endUser = before
        if !endUser.identities.contains(identity) {
            endUser.identities.append(identity)
            try checkCount(endUser.identities, of: key.subject)
            guard try await claim(identity, key.subject, work) else { throw taken(identity, field: "external_id") }
            try await store(endUser, key, work)
        }
        return try await remember(key, from: before, work, view)
    }

    /// Takes an identity from an end user.
    public static func removeIdentity(
        _ request: RemoveIdentityRequest,
        _ work: Work,
        _ view: PersonalView
    ) async throws -> EndUser {
        let identity = EndUserIdentity(channel: request.channel, externalID: request.externalID)
        let (before, key) = try await lock(try UUID(request.id, field: "id"), work)
        var endUser = before
        guard endUser.identities.contains(identity) else {
            throw DomainError.notFound(resource: "identity", id: "\(identity.channel):\(identity.externalID)")
        }
        endUser.identities.removeAll { $0 == identity }
        guard !endUser.identities.isEmpty else {
            throw EndUserRow.refusal("LAST_IDENTITY", key.subject, "has no other identity: give them another first")
        }
        _ = try await work.transaction.run(
            EndUserIdentityRelease(
                tenantID: work.scope.tenant,
                channel: identity.channel,
                externalIDIndex: identity.index(work.keyring),
                endUserID: key.subject
            )
        )
        try await store(endUser, key, work)
        return try await remember(key, from: before, work, view)
    }

    // MARK: Parts

    /// Takes an identity for an end user, who may not be there yet; false when somebody has it. Waits for whoever is just
    /// taking it.
    static func claim(_ identity: EndUserIdentity, _ endUser: UUID, _ work: Work) async throws -> Bool {
        try await work.transaction.run(
            EndUserIdentityClaim(
                tenantID: work.scope.tenant,
                channel: identity.channel,
                externalIDIndex: identity.index(work.keyring),
                endUserID: endUser
            )
        ) == 1
    }

    /// Who has an identity.
    static func holder(of identity: EndUserIdentity, _ work: Work) async throws -> EndUserRow? {
        try await work.transaction.run(
            EndUserByIdentity(
                tenantID: work.scope.tenant,
                channel: identity.channel,
                externalIDIndex: identity.index(work.keyring)
            )
        )
    }

    static func checkCount(_ identities: [EndUserIdentity], of id: UUID) throws(DomainError) {
        guard identities.count <= maximumIdentities else {
            throw EndUserRow.refusal(
                "TOO_MANY_IDENTITIES",
                id,
                "would have \(identities.count) identities, and \(maximumIdentities) are allowed: remove some first"
            )
        }
    }

    static func taken(_ identity: EndUserIdentity, field: String) -> DomainError {
        .alreadyExists(resource: "end user", field: field, value: "\(identity.channel):\(identity.externalID)")
    }
}

extension EndUserIdentity {
    /// By what the identity is found: ids of channels are compared byte for byte.
    func index(_ keyring: Keyring) -> [UInt8] { keyring.exactIndex(externalID, kind: "end user \(channel)") }

    /// The identity for whom it is not shown as it is.
    var masked: EndUserIdentity { EndUserIdentity(channel: channel, externalID: externalID.masked) }

    /// What identities are taken in the order of.
    var order: (String, String) { (channel, externalID) }
}
