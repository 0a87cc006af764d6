public import Domain
public import Postgres
internal import Primitives
public import TrellisAPI

/// What can be done with service principals: programs that are known by their certificates.
public enum ServicePrincipals {
    /// Makes one for a tenant, as the platform.
    public static func create(
        _ request: CreateServicePrincipalRequest,
        _ work: Work,
        _ catalogue: PermissionCatalogue
    ) async throws -> ServicePrincipal {
        let tenant = try UUID(request.tenantID, field: "tenant_id")
        try catalogue.check(request.permissions, field: "permissions")
        guard let name = CertificateName(request.certificate) else {
            throw DomainError.invalid(
                "certificate",
                "\"\(request.certificate)\" is not uri:, dns: or subject: and a name, or sha256: and 64 hexadecimal digits"
            )
        }
        let id = UUID.v7()
        let missing = DomainError.notFound(resource: "tenant", id: tenant.text)
        return try await saying(["service_principal_tenant_id_fkey": missing]) {
            let made = try await work.transaction.run(
                ServicePrincipalInsert(
                    tenantID: tenant,
                    servicePrincipalID: id,
                    displayName: request.displayName,
                    certificate: name.text,
                    permissions: request.permissions
                )
            )
            let claimed = try await work.transaction.run(
                CertificateNameClaim(certificate: name.text, tenantID: tenant, servicePrincipalID: id)
            )
            guard claimed == 1 else {
                throw DomainError.alreadyExists(
                    resource: "service principal",
                    field: "certificate",
                    value: request.certificate
                )
            }
            return made.certain
        }
    }

    /// Returns a page of the tenant's.
    public static func list(
        _ request: ListServicePrincipalsRequest,
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListServicePrincipalsResponse {
        let query = ServicePrincipalList(
            tenantID: scope.tenant,
            after: try page.after,
            showRevoked: request.showRevoked,
            count: Int64(page.count)
        )
        var response = ListServicePrincipalsResponse()
        let rows = try await database.run(query, scope.settings)
        (response.servicePrincipals, response.nextPageToken) = page.cut(rows, id: \.id)
        return response
    }

    /// Revokes one.
    public static func revoke(_ request: RevokeServicePrincipalRequest, _ work: Work) async throws -> ServicePrincipal {
        let id = try UUID(request.id, field: "id")
        let (before, after) = try await work.transaction.run(
            ServicePrincipalGet(tenantID: work.scope.tenant, servicePrincipalID: id),
            ServicePrincipalRevoke(tenantID: work.scope.tenant, servicePrincipalID: id)
        )
        let revoked = try after.orNotFound("service principal", id)
        work.audit.changed("service_principal", revoked.id, from: before, to: revoked)
        // Also when it was revoked before: whoever repeats the call waits for all servers, too.
        try await work.changesAccess()
        return revoked
    }
}

/// One of the names that a client certificate bears, with its kind before it, as it is stored.
public struct CertificateName: Hashable, Sendable {
    /// Such as "dns:billing.example.org".
    public let text: String

    /// Reads a name; nil when its kind is unknown or it is none of its kind. Host names and fingerprints are the same in
    /// either case.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty else { return nil }
        switch parts[0] {
        case "uri", "subject": self.text = text
        case "dns": self.text = text.lowercased()
        case "sha256":
            guard Hex.decode(parts[1])?.count == 32 else { return nil }
            self.text = text.lowercased()
        default: return nil
        }
    }

    /// All names of a certificate.
    public static func all(
        subject: String,
        dnsNames: [String],
        uris: [String],
        fingerprint: String
    ) -> [CertificateName] {
        let texts =
            uris.map { "uri:\($0)" } + dnsNames.map { "dns:\($0)" } + ["subject:\(subject)", "sha256:\(fingerprint)"]
        return texts.compactMap { CertificateName($0) }
    }
}
