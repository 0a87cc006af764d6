import EventLoop
import Logging
import Protobuf
import TLS
import TrellisServer

/// `credentials.json` of a home folder: where the server is, whether it speaks TLS, and the platform's key, for whoever may read the folder.
struct Credentials: Equatable {
    static let fileName = "credentials.json"

    var address: String
    /// The platform's key; `nil` when the database has one that another home knows.
    var platformKey: String?
    /// `nil` without TLS.
    var tls: Security?

    /// What a client on this machine has to know of the server's TLS.
    struct Security: Equatable {
        /// The name in the certificate, where that is not the address; `nil` where it is.
        var serverName: String?
    }

    var json: String {
        var members: [(key: String, value: JSONValue)] = [("address", .string(address))]
        if let platformKey { members.append(("platform_key", .string(platformKey))) }
        if let tls {
            members.append(("tls", .object(tls.serverName.map { [("server_name", .string($0))] } ?? [])))
        }
        return JSONValue.object(members).written(.indented) + "\n"
    }

    /// What an earlier start wrote, `nil` when there was none.
    static func read(from home: HomeFolder) throws(HomeError) -> Credentials? {
        guard let bytes = try home.read(fileName) else { return nil }
        let value: JSONValue
        do { value = try JSONValue(parsing: String(decoding: bytes, as: UTF8.self)) } catch {
            throw HomeError(
                description: "'\(home.path)/\(fileName)' is no JSON (\(error)): restore it; without it the platform's "
                    + "key is lost"
            )
        }
        guard let address = value["address"]?.text else {
            throw HomeError(description: "'\(home.path)/\(fileName)' has no address: restore it")
        }
        let tls = value["tls"].map { Security(serverName: $0["server_name"]?.text) }
        return Credentials(address: address, platformKey: value["platform_key"]?.text, tls: tls)
    }

    func write(to home: HomeFolder) throws(HomeError) { try home.write(Self.fileName, json) }

    /// The credentials to start with: those of an earlier start, or new ones with a new key.
    ///
    /// They are on the disk before the key is made in the database. So a crash in between loses nothing: the next start
    /// finds the key here and makes it.
    static func prepare(_ home: HomeFolder, address: HostPort) throws(HomeError) -> Credentials {
        if let earlier = try read(from: home), earlier.platformKey != nil { return earlier }
        let fresh = Credentials(address: address.reachable.description, platformKey: Server.newPlatformKey())
        try fresh.write(to: home)
        return fresh
    }

    /// Writes down where the server is now, and drops a key that the database refuses.
    mutating func finish(
        _ home: HomeFolder,
        _ started: Server.Started,
        _ security: ServerTLS?,
        _ log: Logger
    ) throws(HomeError) {
        let reachable = HostPort(host: started.address.host, port: started.address.port).reachable
        address = reachable.description
        tls = security.map { Security(serverName: $0.isFor(host: reachable.host) ? nil : $0.firstName) }
        if !started.admitsPlatformKey {
            platformKey = nil
            log.warning(
                "the database has a platform key of its own, which only the home folder of its first start knows",
                metadata: ["credentials": "\(home.path)/\(Self.fileName)"]
            )
        }
        try write(to: home)
    }
}

extension HostPort {
    /// The address at which a client on this machine reaches it: a listener on all addresses is reached at the loopback.
    var reachable: HostPort {
        switch host {
        case "0.0.0.0": HostPort(host: "127.0.0.1", port: port)
        case "::", "*": HostPort(host: "::1", port: port)
        default: self
        }
    }
}
