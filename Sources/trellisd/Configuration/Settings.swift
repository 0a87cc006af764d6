import TLS
import Terminal

/// How logs are written.
enum LogFormat: String, CaseIterable, Sendable {
    case auto
    case json
    case text
}

/// The least level that is logged.
enum LogLevel: String, CaseIterable, Sendable {
    case trace
    case debug
    case info
    case notice
    case warning
    case error
    case critical
}

/// The major versions of PostgreSQL that a private cluster can be.
enum ClusterVersion: String, CaseIterable, Sendable {
    case eighteen = "18"
    case sixteen = "16"
}

/// All settings of the server. Nothing else in the program knows a setting's name or default.
struct Settings: Sendable {
    let home: Setting<String>
    let config: Setting<String?>
    let listen: Setting<HostPort>
    let admin: Setting<HostPort?>
    let databaseURL: Setting<String?>
    let encryptionKeyFile: Setting<String?>
    let passwordMemory: Setting<Int>
    let passwordPasses: Setting<Int>
    let passwordHashes: Setting<Int>
    let tokenIssuer: Setting<String>
    let postgres: Setting<ClusterVersion>
    let loops: Setting<Int>
    let poolMin: Setting<Int>
    let poolMax: Setting<Int>
    let poolTimeout: Setting<Duration>
    let poolIdleTimeout: Setting<Duration>
    let poolLifespan: Setting<Duration>
    let rateShare: Setting<Int>
    let credentialCallsPerAddress: Setting<Int>
    let jobSlots: Setting<Int>
    let grace: Setting<Duration>
    let tlsCert: Setting<String?>
    let tlsKey: Setting<String?>
    let tlsClientCA: Setting<String?>
    let tlsClientAuth: Setting<ServerTLSConfiguration.ClientCertificates?>
    let tlsMinVersion: Setting<TLSVersion?>
    let logLevel: Setting<LogLevel>
    let logFormat: Setting<LogFormat>

    /// In the order in which help shows them.
    var all: [SettingEntry] {
        [
            home.entry, listen.entry, tlsCert.entry, tlsKey.entry, tlsClientCA.entry, tlsClientAuth.entry,
            tlsMinVersion.entry, admin.entry, databaseURL.entry, encryptionKeyFile.entry, tokenIssuer.entry,
            passwordMemory.entry, passwordPasses.entry, passwordHashes.entry, postgres.entry, loops.entry,
            poolMin.entry, poolMax.entry, poolTimeout.entry, poolIdleTimeout.entry, poolLifespan.entry, jobSlots.entry,
            rateShare.entry, credentialCallsPerAddress.entry, grace.entry, logLevel.entry, logFormat.entry,
            config.entry,
        ] + LimitSetting.all.map(\.entry)
    }

    /// - Parameters:
    ///   - userHome: the home folder of the user who runs the program.
    ///   - isRoot: whether that is root, whose data belong in /var/lib.
    ///   - cores: how many cores the process may use.
    init(userHome: String?, isRoot: Bool, cores: Int) {
        let both: Set<Command> = [.serve, .migrate]
        let defaultHome = isRoot || userHome == nil ? "/var/lib/trellis" : "\(userHome ?? "")/.trellis"
        home = Setting(
            entry: SettingEntry(
                name: "home",
                placeholder: "DIR",
                defaultText: "/var/lib/trellis for root, else ~/.trellis",
                help: "Folder of the private cluster, the credentials and the lock. Made when it is missing.",
                commands: both,
                inFile: false
            ),
            defaultValue: defaultHome,
            read: Value.path(home: userHome)
        )
        config = Setting(
            entry: SettingEntry(
                name: "config",
                placeholder: "FILE",
                defaultText: "none",
                help: "File of settings, a line `name = value` each; `#` begins a comment.",
                commands: both,
                inFile: false
            ),
            defaultValue: nil,
            read: { (text) throws(BadValue) in try Value.path(home: userHome)(text) }
        )
        listen = Setting(
            entry: SettingEntry(
                name: "listen",
                placeholder: "HOST:PORT",
                defaultText: "127.0.0.1:7070",
                help: "Where gRPC is served, over HTTP/2, with TLS if tls-cert is set. Port 0 picks a free one."
            ),
            defaultValue: HostPort(host: "127.0.0.1", port: 7070),
            read: { (text) throws(BadValue) in try HostPort(text) }
        )
        encryptionKeyFile = Setting(
            entry: SettingEntry(
                name: "encryption-key-file",
                placeholder: "FILE",
                defaultText: "encryption.key in home, made at the first start",
                help:
                    "File with the key that personal data is kept under: 64 hexadecimal digits, the same for all servers of "
                    + "a database, kept apart from its backups. Whoever loses it loses that data."
            ),
            defaultValue: nil,
            read: { (text) throws(BadValue) in try Value.path(home: userHome)(text) }
        )
        tlsCert = Setting(
            entry: SettingEntry(
                name: "tls-cert",
                placeholder: "FILE",
                defaultText: "none: no TLS",
                help: "Certificate of the server and those between it and its CA, in PEM. Read again on SIGHUP."
            ),
            defaultValue: nil,
            read: { (text) throws(BadValue) in try Value.path(home: userHome)(text) }
        )
        tlsKey = Setting(
            entry: SettingEntry(
                name: "tls-key",
                placeholder: "FILE",
                defaultText: "none",
                help: "Private key of that certificate, in PEM, without a password."
            ),
            defaultValue: nil,
            read: { (text) throws(BadValue) in try Value.path(home: userHome)(text) }
        )
        tlsClientCA = Setting(
            entry: SettingEntry(
                name: "tls-client-ca",
                placeholder: "FILE",
                defaultText: "none: clients show no certificate",
                help: "CAs whose certificates clients show, in PEM (mutual TLS)."
            ),
            defaultValue: nil,
            read: { (text) throws(BadValue) in try Value.path(home: userHome)(text) }
        )
        tlsClientAuth = Setting(
            entry: SettingEntry(
                name: "tls-client-auth",
                placeholder: "WHETHER",
                defaultText: "required",
                help: "Whether a client needs a certificate of tls-client-ca: required or optional."
            ),
            defaultValue: nil,
            read: { (text) throws(BadValue) in
                try Value.choice(ServerTLSConfiguration.ClientCertificates.self)(text)
            }
        )
        tlsMinVersion = Setting(
            entry: SettingEntry(
                name: "tls-min-version",
                placeholder: "VERSION",
                defaultText: "1.3",
                help: "Oldest version of TLS that is taken: 1.3 or 1.2."
            ),
            defaultValue: nil,
            read: { (text) throws(BadValue) in try Value.choice(TLSVersion.self)(text) }
        )
        admin = Setting(
            entry: SettingEntry(
                name: "admin",
                placeholder: "HOST:PORT",
                defaultText: "127.0.0.1:7071",
                help:
                    "Where probes, metrics and calls in JSON are served, over HTTP/1.1 without TLS. `none` turns it off."
            ),
            defaultValue: HostPort(host: "127.0.0.1", port: 7071),
            read: { (text) throws(BadValue) in text == "none" ? nil : try HostPort(text) }
        )
        databaseURL = Setting(
            entry: SettingEntry(
                name: "database-url",
                placeholder: "URL",
                defaultText: "none: a private cluster under the home folder",
                help: "PostgreSQL 16 or newer with pgvector 0.8.4 or newer, as postgresql://user:password@host/name.",
                secret: true,
                commands: both
            ),
            defaultValue: nil,
            read: { (text) throws(BadValue) in
                guard text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") else {
                    throw BadValue(expected: "a URL that begins with postgresql://")
                }
                return text
            }
        )
        tokenIssuer = Setting(
            entry: SettingEntry(
                name: "token-issuer",
                placeholder: "NAME",
                defaultText: "trellis",
                help:
                    "Who access tokens say they are from (iss), such as the URL of the API; the same for all servers of a "
                    + "database."
            ),
            defaultValue: "trellis",
            read: { (text) throws(BadValue) in
                guard (1...200).contains(text.utf8.count), !text.contains(where: { $0.isWhitespace }) else {
                    throw BadValue(expected: "1 to 200 characters without white space")
                }
                return text
            }
        )
        passwordMemory = Setting(
            entry: SettingEntry(
                name: "password-memory",
                placeholder: "MIB",
                defaultText: "64",
                help:
                    "Memory that the hash of a password takes (Argon2id), from 8 to 1024 MiB. Raised, passwords are hashed "
                    + "anew as people sign in."
            ),
            defaultValue: 64,
            read: Value.integer(8...1024)
        )
        passwordPasses = Setting(
            entry: SettingEntry(
                name: "password-passes",
                placeholder: "N",
                defaultText: "3",
                help: "Passes over that memory, from 1 to 20."
            ),
            defaultValue: 3,
            read: Value.integer(1...20)
        )
        passwordHashes = Setting(
            entry: SettingEntry(
                name: "password-hashes",
                placeholder: "N",
                defaultText: "2",
                help:
                    "Passwords that are hashed at the same time at most, from 1 to 4: each takes a core and that memory."
            ),
            defaultValue: 2,
            read: Value.integer(1...4)
        )
        postgres = Setting(
            entry: SettingEntry(
                name: "postgres",
                placeholder: "VERSION",
                defaultText: "18",
                help: "Major version of a new private cluster: 18 or 16. A cluster that exists keeps its own.",
                commands: both
            ),
            defaultValue: .eighteen,
            read: Value.choice(ClusterVersion.self)
        )
        loops = Setting(
            entry: SettingEntry(
                name: "loops",
                placeholder: "N",
                defaultText: "the number of cores",
                help: "Event loops, a thread each, from 1 to 256."
            ),
            defaultValue: cores,
            read: Value.integer(1...256)
        )
        poolMin = Setting(
            entry: SettingEntry(
                name: "pool-min",
                placeholder: "N",
                defaultText: "5",
                help: "Connections to PostgreSQL that the server keeps open in all, from 1 to 1000."
            ),
            defaultValue: 5,
            read: Value.integer(1...1000)
        )
        poolMax = Setting(
            entry: SettingEntry(
                name: "pool-max",
                placeholder: "N",
                defaultText: "20",
                help: "Connections to PostgreSQL that the server opens at most in all, from 1 to 1000."
            ),
            defaultValue: 20,
            read: Value.integer(1...1000)
        )
        poolTimeout = Setting(
            entry: SettingEntry(
                name: "pool-timeout",
                placeholder: "DURATION",
                defaultText: "30s",
                help: "How long a call waits for a connection to PostgreSQL."
            ),
            defaultValue: .seconds(30),
            read: Value.duration(.milliseconds(100)...(.seconds(600)))
        )
        poolIdleTimeout = Setting(
            entry: SettingEntry(
                name: "pool-idle-timeout",
                placeholder: "DURATION",
                defaultText: "10m",
                help: "How long a connection beyond pool-min may be idle before it is closed."
            ),
            defaultValue: .seconds(600),
            read: Value.duration(.seconds(1)...(.seconds(86_400)))
        )
        poolLifespan = Setting(
            entry: SettingEntry(
                name: "pool-lifespan",
                placeholder: "DURATION",
                defaultText: "30m",
                help: "How old a connection may become before it is replaced."
            ),
            defaultValue: .seconds(1800),
            read: Value.duration(.seconds(10)...(.seconds(86_400)))
        )
        rateShare = Setting(
            entry: SettingEntry(
                name: "rate-share",
                placeholder: "N",
                defaultText: "1",
                help: "By how many servers the rates of the tenants' plans are shared, from 1 to 1000: each server"
                    + " counts for itself, and lets this part of a rate through."
            ),
            defaultValue: 1,
            read: Value.integer(1...1000)
        )
        credentialCallsPerAddress = Setting(
            entry: SettingEntry(
                name: "credential-calls-per-address",
                placeholder: "N",
                defaultText: "2",
                help: "Calls a second by which a credential can be guessed, such as signing in, of one address (a /64"
                    + " network of IPv6), and ten times as many at once, from 1 to 1000; 0 is any number, and right behind"
                    + " a balancer."
            ),
            defaultValue: 2,
            read: Value.integer(0...1000)
        )
        jobSlots = Setting(
            entry: SettingEntry(
                name: "job-slots",
                placeholder: "N",
                defaultText: "8",
                help: "Background jobs that run at once, from 0 to 1000; each may hold a connection of the pool. "
                    + "0 leaves them, and the schedules, to other servers."
            ),
            defaultValue: 8,
            read: Value.integer(0...1000)
        )
        grace = Setting(
            entry: SettingEntry(
                name: "grace",
                placeholder: "DURATION",
                defaultText: "30s",
                help: "How long calls and jobs in flight may take to finish after SIGTERM or SIGINT, from 0s to 1h."
            ),
            defaultValue: .seconds(30),
            read: Value.duration(.zero...(.seconds(3600)))
        )
        logLevel = Setting(
            entry: SettingEntry(
                name: "log-level",
                placeholder: "LEVEL",
                defaultText: "info",
                help: "Least level that is logged: trace, debug, info, notice, warning, error or critical.",
                commands: both
            ),
            defaultValue: .info,
            read: Value.choice(LogLevel.self)
        )
        logFormat = Setting(
            entry: SettingEntry(
                name: "log-format",
                placeholder: "FORMAT",
                defaultText: "auto",
                help: "json (a line an event), text, or auto: text on a terminal, else json.",
                commands: both
            ),
            defaultValue: .auto,
            read: Value.choice(LogFormat.self)
        )
    }
}
