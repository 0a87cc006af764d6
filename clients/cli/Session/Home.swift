import Files
import Protobuf
import TLS
import Terminal

/// The folder in which the server leaves its credentials and `trellis login` keeps keys.
struct Home {
    let path: String

    /// Where it is unless somebody says: where the server has it.
    static func standard(userHome: String?, isRoot: Bool) -> String {
        guard let userHome, !isRoot else { return "/var/lib/trellis" }
        return "\(userHome)/.trellis"
    }

    /// A key, and where the server is that knows it.
    struct Credentials: Equatable {
        /// `nil` for the server of this home folder, wherever it listens at the time.
        var address: String?
        /// `nil` only in what a server wrote whose platform key another home folder has.
        var token: String?
        /// What gets the next token; `nil` for a key, which needs none.
        var refresh: Refresh?
        /// How the server is reached by TLS; `nil` without.
        var tls: ClientTLSConfiguration?
    }

    /// The refresh token of a session, and when its access token runs out, in seconds since 1970.
    struct Refresh: Equatable {
        var token: String
        var expires: Int64
    }

    private var serverFile: String { "\(path)/credentials.json" }
    private var profilesFile: String { "\(path)/profiles.json" }

    /// What the server wrote: its address and the platform's key. `nil` when no server has run here.
    func server() throws(UsageError) -> Credentials? {
        guard let value = try read(serverFile) else { return nil }
        guard let address = value["address"]?.text else {
            throw UsageError("'\(serverFile)' has no address: start the server again")
        }
        return Credentials(address: address, token: value["platform_key"]?.text, tls: value["tls"].map(ownTLS))
    }

    /// How this home's own server is reached: with what `scripts/serve --tls` or its operator left in the folder `tls`, or
    /// else with the system's CAs.
    private func ownTLS(_ value: JSONValue) -> ClientTLSConfiguration {
        var tls = ClientTLSConfiguration()
        tls.serverName = value["server_name"]?.text
        if Files.exists("\(path)/tls/ca.pem") { tls.caFile = "\(path)/tls/ca.pem" }
        if Files.exists("\(path)/tls/client.pem"), Files.exists("\(path)/tls/client-key.pem") {
            tls.certificateFile = "\(path)/tls/client.pem"
            tls.keyFile = "\(path)/tls/client-key.pem"
        }
        return tls
    }

    /// The keys that were stored, by name, and the name of the one in use.
    func profiles() throws(UsageError) -> (current: String?, all: [(name: String, credentials: Credentials)]) {
        guard let value = try read(profilesFile) else { return (nil, []) }
        var all: [(name: String, credentials: Credentials)] = []
        for (name, profile) in value["profiles"]?.members ?? [] {
            guard let token = profile["token"]?.text else {
                throw UsageError("'\(profilesFile)': the profile '\(name)' has no token: log in again")
            }
            let tls = profile["tls"].map { ClientTLSConfiguration(json: $0) }
            let refresh = profile["refresh_token"]?.text.map {
                Refresh(token: $0, expires: profile["expire_time"]?.integer ?? 0)
            }
            all.append((name, Credentials(address: profile["address"]?.text, token: token, refresh: refresh, tls: tls)))
        }
        return (value["current"]?.text, all)
    }

    /// Stores a key under a name and makes it the one in use. The address of this home's own server and how it is reached
    /// are not kept: after its next start they may be others.
    func store(_ name: String, _ credentials: Credentials) throws {
        var all = try profiles().all.filter { $0.name != name }
        let isOwn = try server()?.address == credentials.address
        let kept =
            isOwn
            ? Credentials(token: credentials.token, refresh: credentials.refresh) : credentials
        all.append((name, kept))
        try write(current: name, all)
    }

    /// Replaces what is stored under a name, unless that has been forgotten meanwhile.
    func replace(_ name: String, _ credentials: Credentials) throws {
        let (current, all) = try profiles()
        try write(current: current, all.map { $0.name == name ? (name, credentials) : $0 })
    }

    /// Makes a stored key the one in use.
    func use(_ name: String) throws {
        let all = try profiles().all
        guard all.contains(where: { $0.name == name }) else { throw unknown(name, all.map(\.name)) }
        try write(current: name, all)
    }

    /// Forgets a key.
    func remove(_ name: String) throws {
        let (current, all) = try profiles()
        guard all.contains(where: { $0.name == name }) else { throw unknown(name, all.map(\.name)) }
        try write(current: current == name ? nil : current, all.filter { $0.name != name })
    }

    func unknown(_ name: String, _ names: [String]) -> UsageError {
        UsageError(
            "no profile '\(name)' in '\(path)': "
                + (names.isEmpty ? "'trellis login' stores one" : "there are \(names.joined(separator: ", "))")
        )
    }

    private func read(_ file: String) throws(UsageError) -> JSONValue? {
        let bytes: [UInt8]
        do { bytes = try Files.read(file) } catch {
            if error.isMissing { return nil }
            throw UsageError(error.description)
        }
        do { return try JSONValue(parsing: String(decoding: bytes, as: UTF8.self)) } catch {
            throw UsageError("'\(file)' is no JSON: \(error)")
        }
    }

    private func write(current: String?, _ all: [(name: String, credentials: Credentials)]) throws {
        let profiles = all.sorted { $0.name < $1.name }.map { profile -> (key: String, value: JSONValue) in
            var members: [(key: String, value: JSONValue)] = [
                ("token", .string(profile.credentials.token ?? ""))
            ]
            if let refresh = profile.credentials.refresh {
                members.append(("refresh_token", .string(refresh.token)))
                members.append(("expire_time", .number("\(refresh.expires)")))
            }
            if let address = profile.credentials.address { members.append(("address", .string(address))) }
            if let tls = profile.credentials.tls { members.append(("tls", tls.json)) }
            return (profile.name, .object(members))
        }
        let value = JSONValue.object([
            ("current", current.map { .string($0) } ?? .null), ("profiles", .object(profiles)),
        ])
        try Files.makeFolder(path, mode: 0o700)
        try Files.writePrivately(value.written(.indented) + "\n", to: profilesFile)
    }
}
