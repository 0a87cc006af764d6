import RPCClient
import Terminal

/// What stands on the command line.
struct Options {
    static let usage = """
        usage: interop-client --server HOST:PORT [--tls-ca FILE] --case NAME
        NAME is all, or one of: \(Case.all.map(\.name).joined(separator: " "))
        """

    let server: String
    let cases: [Case]
    private let authority: String?

    private static let flags = [
        Flag("server", placeholder: "HOST:PORT", help: "The server to call."),
        Flag("tls-ca", placeholder: "FILE", help: "Calls over TLS, and trusts the authorities in this PEM file."),
        Flag("case", .repeated, placeholder: "NAME", help: "The case to run, or all."),
    ]

    init(_ arguments: [String]) throws(UsageError) {
        let parsed = try ParsedFlags(arguments, flags: Self.flags)
        guard parsed.positional.isEmpty else {
            throw UsageError("'\(parsed.positional[0])' is no flag: nothing but flags is taken")
        }
        guard let server = parsed["server"] else { throw UsageError("--server is missing: --server HOST:PORT") }
        self.server = server
        authority = parsed["tls-ca"]
        var cases: [Case] = []
        for name in parsed.all("case") {
            if name == "all" {
                cases += Case.all.filter { !$0.needsHTTP2Server }
            } else if let found = Case.all.first(where: { $0.name == name }) {
                cases.append(found)
            } else {
                throw UsageError("--case is '\(name)'; it must be all or one of the names below")
            }
        }
        guard !cases.isEmpty else { throw UsageError("--case is missing: --case all") }
        self.cases = cases
    }

    /// How channels connect.
    func configuration() throws(UsageError) -> ChannelConfiguration {
        guard authority == nil else {
            throw UsageError("UNAVAILABLE: this build has no TLS: leave --tls-ca away")
        }
        return ChannelConfiguration()
    }
}
