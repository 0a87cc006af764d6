import Credentials
import Primitives
import RPCServer
import TLS
import Terminal

/// A configuration that cannot be used: every problem that was found, each naming its source and what would be right.
struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    let problems: [String]

    var description: String { problems.joined(separator: "\n") }
}

/// What the server runs with: each setting from the first of flag, environment variable, configuration file, default.
struct Configuration: Sendable {
    let home: String
    let listen: HostPort
    /// `nil` serves without TLS.
    let tls: ServerTLSConfiguration?
    let admin: HostPort?
    let databaseURL: String?
    /// `nil` for the one in the home folder.
    let encryptionKeyFile: String?
    /// How people sign in.
    let credentials: CredentialSettings
    let postgres: ClusterVersion
    let loops: Int
    let poolMin: Int
    let poolMax: Int
    let poolTimeout: Duration
    let poolIdleTimeout: Duration
    let poolLifespan: Duration
    let limits: ServerLimits
    let rateShare: Int
    let credentialCallsPerAddress: Int
    let jobSlots: Int
    let grace: Duration
    let logLevel: LogLevel
    let logFormat: LogFormat

    /// - Parameters:
    ///   - arguments: the words after the command.
    ///   - environment: looks a variable up; `nil` when it is not set or empty.
    ///   - readFile: the content of a file, or why it cannot be read.
    init(
        _ arguments: [String],
        command: Command,
        settings: Settings,
        environment: @escaping (String) -> String?,
        readFile: (String) throws -> String
    ) throws {
        let entries = settings.all.filter { $0.commands.contains(command) }
        let flags = try ParsedFlags(arguments, flags: entries.map(\.flag))
        if let stray = flags.positional.first {
            throw UsageError("trellisd \(command.rawValue) takes flags only, not '\(stray)'")
        }
        var resolver = Resolver(flags: flags, environment: environment, taken: Set(entries.map(\.name)))
        if let path = resolver.value(settings.config) {
            let text: String
            do { text = try readFile(path) } catch {
                throw ConfigurationError(problems: ["--config: cannot read '\(path)': \(error)"])
            }
            resolver.file = try ConfigurationFile(text, name: path, settings: settings.all)
        }
        home = resolver.value(settings.home)
        listen = resolver.value(settings.listen)
        tls = resolver.tls(settings)
        admin = resolver.value(settings.admin)
        databaseURL = resolver.value(settings.databaseURL)
        encryptionKeyFile = resolver.value(settings.encryptionKeyFile)
        var credentials = CredentialSettings()
        credentials.issuer = resolver.value(settings.tokenIssuer)
        credentials.passwordCost = PasswordCost(
            memoryKiB: resolver.value(settings.passwordMemory) * 1024,
            passes: resolver.value(settings.passwordPasses)
        )
        credentials.hashesAtOnce = resolver.value(settings.passwordHashes)
        self.credentials = credentials
        postgres = resolver.value(settings.postgres)
        loops = resolver.value(settings.loops)
        poolMin = resolver.value(settings.poolMin)
        poolMax = resolver.value(settings.poolMax)
        poolTimeout = resolver.value(settings.poolTimeout)
        poolIdleTimeout = resolver.value(settings.poolIdleTimeout)
        poolLifespan = resolver.value(settings.poolLifespan)
        limits = resolver.limits()
        rateShare = resolver.value(settings.rateShare)
        credentialCallsPerAddress = resolver.value(settings.credentialCallsPerAddress)
        jobSlots = resolver.value(settings.jobSlots)
        grace = resolver.value(settings.grace)
        logLevel = resolver.value(settings.logLevel)
        logFormat = resolver.value(settings.logFormat)
        if poolMin > poolMax {
            resolver.problems.append(
                "pool-min: \(poolMin) is more than pool-max (\(poolMax)): lower the one or raise the other"
            )
        }
        if !resolver.problems.isEmpty { throw ConfigurationError(problems: resolver.problems) }
    }
}

/// Finds the value of one setting after the other and collects what is wrong with them.
private struct Resolver {
    let flags: ParsedFlags
    let environment: (String) -> String?
    /// The settings that the command takes: the others keep their defaults.
    let taken: Set<String>
    var file: ConfigurationFile?
    var problems: [String] = []

    mutating func value<Value>(_ setting: Setting<Value>) -> Value {
        let entry = setting.entry
        guard taken.contains(entry.name), let (text, source) = found(entry) else { return setting.defaultValue }
        do {
            return try setting.read(text)
        } catch {
            problems.append("\(source): \(entry.secret ? "the value" : "'\(text)'") is not \(error.expected)")
            return setting.defaultValue
        }
    }

    /// The limits: those that are not given keep their defaults.
    mutating func limits() -> ServerLimits {
        var limits = ServerLimits()
        for setting in LimitSetting.all where taken.contains(setting.entry.name) {
            guard let (text, source) = found(setting.entry) else { continue }
            do {
                try setting.set(text, &limits)
            } catch {
                problems.append("\(source): '\(text)' is not \(error.expected)")
            }
        }
        return limits
    }

    /// The settings of TLS, which go together.
    mutating func tls(_ settings: Settings) -> ServerTLSConfiguration? {
        let (certificate, key) = (value(settings.tlsCert), value(settings.tlsKey))
        let (clientCA, clientAuth) = (value(settings.tlsClientCA), value(settings.tlsClientAuth))
        let minimumVersion = value(settings.tlsMinVersion)
        if clientAuth != nil, clientCA == nil {
            problems.append("tls-client-auth: is set without tls-client-ca: name the file of the clients' CAs, too")
        }
        guard let certificate, let key else {
            if certificate != nil {
                problems.append("tls-key: is not set, but tls-cert is: name the file of the certificate's private key")
            } else if key != nil {
                problems.append("tls-cert: is not set, but tls-key is: name the file of the certificate")
            } else if let name = clientCA != nil ? "tls-client-ca" : minimumVersion != nil ? "tls-min-version" : nil {
                problems.append("\(name): is set without TLS: name a certificate and its key by tls-cert and tls-key")
            }
            return nil
        }
        var configuration = ServerTLSConfiguration(certificateFile: certificate, keyFile: key)
        configuration.clientCAFile = clientCA
        if let clientAuth { configuration.clientCertificates = clientAuth }
        if let minimumVersion { configuration.minimumVersion = minimumVersion }
        return configuration
    }

    private func found(_ entry: SettingEntry) -> (text: String, source: String)? {
        if let text = flags[entry.name] { return (text, "--\(entry.name)") }
        if let text = environment(entry.variable) { return (text, entry.variable) }
        if let file, let (text, line) = file.values[entry.name] {
            return (text, "\(file.name):\(line): \(entry.name)")
        }
        return nil
    }
}

extension SettingEntry {
    /// The setting as a flag, its default in the help.
    var flag: Flag {
        Flag(name, placeholder: placeholder, help: "\(help) Default: \(defaultText). [\(variable)]")
    }
}
