import Protobuf
import RPC
import Terminal
import TrellisClient

/// The exit codes of the CLI: what kind of failure it was, for scripts. docs/cli.md lists them.
enum ExitCode {
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let notFound: Int32 = 3
    static let denied: Int32 = 4
    static let conflict: Int32 = 5
    static let tryAgain: Int32 = 6
}

/// A failed call as the CLI shows it.
extension TrellisError {
    var exitCode: Int32 {
        switch code {
        case .invalidArgument, .outOfRange: ExitCode.usage
        case .notFound: ExitCode.notFound
        case .unauthenticated, .permissionDenied: ExitCode.denied
        case .alreadyExists, .aborted, .failedPrecondition: ExitCode.conflict
        case .unavailable, .deadlineExceeded, .resourceExhausted, .cancelled: ExitCode.tryAgain
        default: ExitCode.failure
        }
    }

    /// Whether the server may have done it all the same.
    var isOutcomeOpen: Bool {
        [.unavailable, .deadlineExceeded, .cancelled, .unknown, .internal].contains(code)
    }

    /// What can be done about it, `nil` when the message says it all.
    var advice: String? {
        switch code {
        case .unauthenticated:
            reason == "SIGN_IN_REFUSED"
                ? "'trellis sign-in EMAIL' asks again; an administrator can make a token for a new password with "
                    + "'trellis credential issue-password-reset'"
                : "sign in with 'trellis sign-in EMAIL', or give a key with --token, TRELLIS_TOKEN or 'trellis login'"
        case .permissionDenied:
            "'trellis status' shows what the key in use may do; --platform uses the platform's key of the home folder"
        case .unavailable:
            securityAdvice ?? retry ?? "is the server running? 'trellis status' looks, 'trellisd serve' starts one"
        case .deadlineExceeded: "try again, or give it longer with --timeout"
        case .resourceExhausted: retry
        case .aborted: "somebody else changed it meanwhile: read it again, then repeat the change"
        case .unimplemented: "this server does not have the method: 'trellis status' shows its address"
        case .internal: requestID.isEmpty ? nil : "the server's log says more about request \(requestID)"
        default: nil
        }
    }

    /// What to do when the two sides do not agree on TLS, by the words of Sources/TLS.
    private var securityAdvice: String? {
        let cases = [
            ("connect with TLS", "give --tls, and --ca FILE unless the system knows the server's CA"),
            ("does not speak TLS", "give --no-tls if plain HTTP/2 is what you want"),
            ("from an unknown CA", "give the certificate of the server's CA with --ca FILE"),
            ("requires a client certificate", "give one with --cert FILE and --key FILE"),
            ("certificate is not for", "give a name that the certificate has with --server-name NAME"),
        ]
        return cases.first { message.contains($0.0) }?.1
    }

    private var retry: String? {
        retryDelay.map { "try again in \($0.components.seconds + ($0.components.attoseconds > 0 ? 1 : 0)) s" }
    }

    /// The lines for people.
    ///
    /// - Parameter flags: the flag of each field of the request, by the field's path, so that people read what they
    ///   wrote.
    func lines(flags: [String: String] = [:]) -> [String] {
        let spoken = code.name.lowercased().replacing("_", with: " ")
        // The message of a request with wrong fields lists them; here each has a line of its own.
        let message =
            fields.isEmpty ? message : "\(fields.count == 1 ? "a value is" : "\(fields.count) values are") wrong"
        var lines = ["\(spoken): \(message)" + (reason.isEmpty ? "" : " [\(reason)]")]
        lines += fields.map { "  \(flags[$0.path].map { "--\($0)" } ?? $0.path): \($0.reason)" }
        lines += (conditions + quotas).map { "  \($0.subject): \($0.reason)" }
        if let advice { lines.append("  -> \(advice)") }
        return lines.map(DisplayWidth.printable)
    }

    /// The same for programs.
    var json: JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("code", .string(code.name)), ("message", .string(message)), ("reason", .string(reason)),
        ]
        if !metadata.isEmpty {
            let sorted = metadata.sorted { $0.key < $1.key }
            members.append(("metadata", .object(sorted.map { ($0.key, .string($0.value)) })))
        }
        func list(_ key: String, _ name: String, _ pairs: [(String, String)]) {
            guard !pairs.isEmpty else { return }
            members.append(
                (key, .array(pairs.map { .object([(name, .string($0.0)), ("reason", .string($0.1))]) }))
            )
        }
        list("fields", "path", fields.map { ($0.path, $0.reason) })
        list("conditions", "subject", conditions.map { ($0.subject, $0.reason) })
        list("quotas", "subject", quotas.map { ($0.subject, $0.reason) })
        if !requestID.isEmpty { members.append(("requestId", .string(requestID))) }
        return .object([("error", .object(members))])
    }
}
