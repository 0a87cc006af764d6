internal import Files
public import TLS
public import Terminal

/// The flags that say how a connection to a server is secured, and what they come to: the same for every program that makes
/// one.
public enum SecurityFlags {
    /// The flags, in the order in which help shows them.
    public static let flags = [
        Flag("tls", .toggle, help: "Connect with TLS. The four flags below say so too."),
        Flag("ca", placeholder: "FILE", help: "Trust these CAs, in PEM, instead of the system's. [TRELLIS_CA]"),
        Flag("cert", placeholder: "FILE", help: "Show this client certificate, in PEM. [TRELLIS_CERT]"),
        Flag("key", placeholder: "FILE", help: "The private key of that certificate, in PEM. [TRELLIS_KEY]"),
        Flag(
            "server-name",
            placeholder: "NAME",
            help: "The name in the server's certificate, where it is not that of the address. [TRELLIS_SERVER_NAME]"
        ),
    ]

    /// What the flags and variables say on top of what is known of the server.
    ///
    /// - Parameter known: how the server is reached as far as the profile or the home folder knows.
    /// - Throws: `UsageError` when flags contradict each other.
    public static func configuration(
        _ parsed: ParsedFlags,
        _ environment: (String) -> String?,
        known: ClientTLSConfiguration?
    ) throws(UsageError) -> ClientTLSConfiguration? {
        func value(_ flag: String, _ variable: String) -> String? { parsed[flag] ?? environment(variable) }
        let ca = value("ca", "TRELLIS_CA")
        let (certificate, key) = (value("cert", "TRELLIS_CERT"), value("key", "TRELLIS_KEY"))
        let name = value("server-name", "TRELLIS_SERVER_NAME")
        let isGiven = [ca, certificate, key, name].contains { $0 != nil }
        if parsed.values["tls"] != nil, !parsed.isOn("tls") {
            for flag in ["ca", "cert", "key", "server-name"] where parsed[flag] != nil {
                throw UsageError("--\(flag) is for TLS, which --no-tls turns off: leave one of them away")
            }
            return nil
        }
        guard parsed.isOn("tls") || isGiven || known != nil else { return nil }
        var tls = known ?? ClientTLSConfiguration()
        if let ca { tls.caFile = Files.absolute(ca) }
        if certificate != nil || key != nil {
            guard let certificate, let key else {
                throw UsageError(
                    certificate == nil
                        ? "--key needs --cert, the certificate that it belongs to"
                        : "--cert needs --key, the private key of the certificate"
                )
            }
            (tls.certificateFile, tls.keyFile) = (Files.absolute(certificate), Files.absolute(key))
        }
        if let name { tls.serverName = name }
        return tls
    }
}
