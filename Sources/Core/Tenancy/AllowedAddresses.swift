public import Domain
public import Postgres
public import Primitives
public import TrellisAPI

/// The addresses from which a tenant may be administered.
public struct AllowedAddresses: Equatable, Sendable {
    /// Networks that an address must be in one of.
    let networks: [IPNetwork]

    /// Reads what is stored; nil when it names no network, which allows all addresses.
    public init?(stored: [String]) {
        guard !stored.isEmpty else { return nil }
        networks = stored.compactMap { IPNetwork($0) }
    }

    /// Whether the tenant may be administered from an address; nil is one that cannot be told.
    public func admits(_ address: IPAddress?) -> Bool {
        guard let address else { return false }
        return networks.contains { $0.contains(address) }
    }
}

/// What can be done with the list of the addresses from which a tenant is administered.
public enum AllowLists {
    /// Returns the list.
    public static func get(_ scope: Scope, _ database: Database) async throws -> AllowList {
        try await database.run(AllowListGet(tenantID: scope.tenant), scope.settings) ?? AllowList(etag: "0")
    }

    /// Replaces the list by one that holds the address of whoever does so.
    public static func set(_ request: SetAllowListRequest, from caller: IPAddress?, _ work: Work) async throws
        -> AllowList
    {
        let networks = try read(request.networks)
        guard networks.isEmpty || AllowedAddresses(stored: networks)?.admits(caller) == true else {
            throw DomainError.failedPrecondition(
                .init(
                    reason: "CALLER_SHUT_OUT",
                    subject: "tenants/\(work.scope.tenant)",
                    description: "the list does not hold \(caller?.description ?? "the address") from which you call, "
                        + "so that you could not change it again: add it"
                )
            )
        }
        let tenant = work.scope.tenant
        let before = try await work.transaction.run(AllowListGet(tenantID: tenant)) ?? AllowList()
        let replaced = try await work.transaction.run(AllowListSet(tenantID: tenant, networks: networks)).certain
            .replaced
        try Etag.check(request.etag, current: replaced, resource: "allow list", id: tenant.text)
        try await work.changesAccess()
        let after = try await work.transaction.run(AllowListGet(tenantID: tenant)).certain
        work.audit.changed("allow_list", tenant.text, from: before, to: after)
        return after
    }

    /// The networks as they are stored, each once.
    static func read(_ texts: [String]) throws(DomainError) -> [String] {
        var networks: [String] = []
        for (index, text) in texts.enumerated() {
            guard let network = IPNetwork(text) else {
                throw .invalid(
                    "networks[\(index)]",
                    "\"\(text)\" is neither an address nor a network, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"
                )
            }
            // An address with bits beyond the network's may be a slip in either part.
            let address = text.split(separator: "/").first.flatMap { IPAddress($0) }
            guard !text.contains("/") || address == network.first else {
                throw .invalid(
                    "networks[\(index)]",
                    "\"\(text)\" is an address inside of the network \(network): write the network, or the address alone"
                )
            }
            if !networks.contains(network.description) { networks.append(network.description) }
        }
        return networks
    }
}
