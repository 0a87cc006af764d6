import TrellisClient

/// The example of README.md, to the letter: a test runs it and compares it with README.md.
func readmeExample(address: String, key: String) async throws -> [String] {
    // README begins
    let connection = try TrellisConnection(address: address, token: key)
    let tenancy = TenancyClient(connection)
    let site = try await tenancy.createSite(CreateSiteRequest(displayName: "Lima", timeZone: "America/Lima"))
    do {
        _ = try await tenancy.createSite(CreateSiteRequest(displayName: site.displayName))
    } catch {
        guard error.code == .alreadyExists else { throw error }
        print(error.message)  // there is already a site with display_name "Lima": choose another
    }
    let sites = try await tenancy.listSites(ListSitesRequest()).sites.map(\.displayName)
    await connection.close()
    // README ends
    return sites
}
