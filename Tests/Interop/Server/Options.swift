import HTTP2
import Terminal

/// What stands on the command line.
struct Options {
    static let usage = "usage: interop-server --listen HOST:PORT [--loops N] [--tls-cert FILE --tls-key FILE]"

    /// Loops that a server may have here: more than any machine of the tests has processors.
    static let loopsMax = 64

    let host: String
    let port: UInt16
    let loops: Int
    private let certificate: String?
    private let key: String?

    private static let flags = [
        Flag("listen", placeholder: "HOST:PORT", help: "Where to listen; port 0 picks a free one."),
        Flag("loops", placeholder: "N", help: "Threads that serve; 1 when not given."),
        Flag("tls-cert", placeholder: "FILE", help: "The server's certificate chain in PEM; with --tls-key."),
        Flag("tls-key", placeholder: "FILE", help: "The certificate's private key in PEM; with --tls-cert."),
    ]

    init(_ arguments: [String]) throws(UsageError) {
        let parsed = try ParsedFlags(arguments, flags: Self.flags)
        guard parsed.positional.isEmpty else {
            throw UsageError("'\(parsed.positional[0])' is no flag: nothing but flags is taken")
        }
        let listen = parsed["listen"] ?? ""
        guard let colon = listen.lastIndex(of: ":"), let port = UInt16(listen[listen.index(after: colon)...]),
            colon > listen.startIndex
        else { throw UsageError("--listen is '\(listen)'; it must be HOST:PORT, such as 127.0.0.1:0") }
        host = String(listen[..<colon])
        self.port = port
        let loops = parsed["loops"] ?? "1"
        guard let count = Int(loops), (1...Self.loopsMax).contains(count) else {
            throw UsageError("--loops is '\(loops)'; it must be 1 to \(Self.loopsMax)")
        }
        self.loops = count
        certificate = parsed["tls-cert"]
        key = parsed["tls-key"]
        guard (certificate == nil) == (key == nil) else {
            throw UsageError("--tls-cert and --tls-key come together: one of them is missing")
        }
    }

    /// What makes connections secure, when it is asked for.
    func security() throws(UsageError) -> (any ServerTransportSecurity)? {
        guard certificate != nil else { return nil }
        throw UsageError("UNAVAILABLE: this build has no TLS: leave --tls-cert and --tls-key away")
    }
}
