import Primitives
import Protobuf
import RPC
import Terminal
import TrellisAPI
import TrellisClient

/// `trellis status`: which server, whether it serves, and who one is there.
enum StatusCommand {
    static let command = Command(
        name: "status",
        usage: "[FLAGS]",
        summary: "Show which server and which key are in use, and what the key may do.",
        details: "Exit code 0 when the server serves and knows the key."
    ) { context in
        let session = context.session
        var rows: [(name: String, text: String)] = [
            ("client", ProgramVersion.current), ("address", session.address),
            ("security", session.tls?.summary ?? "none: no TLS"), ("home", session.home.path),
            ("key", session.token == nil ? "none" : "from \(session.tokenSource)"),
        ]
        do {
            try await context.withConnection { connection in
                let health: HealthCheckResponse = try await connection.unary(
                    Methods.health,
                    HealthCheckRequest(),
                    isIdempotent: true
                )
                rows.append(("server", health.status == .serving ? "serving" : "not serving"))
                guard session.token != nil else { return }
                let caller: WhoAmIResponse = try await connection.unary(
                    Methods.whoAmI,
                    WhoAmIRequest(),
                    isIdempotent: true
                )
                rows += describe(caller)
            }
        } catch {
            show(rows, context)
            throw error
        }
        show(rows, context)
    }

    private static func describe(_ caller: WhoAmIResponse) -> [(name: String, text: String)] {
        var rows: [(name: String, text: String)] = []
        switch caller.kind {
        case .platform: rows.append(("acting as", "the platform"))
        case .user: rows.append(("acting as", "the user \(caller.user?.email ?? "?")"))
        default: rows.append(("acting as", "the program '\(caller.apiKey?.displayName ?? "?")'"))
        }
        if let tenant = caller.tenant { rows.append(("tenant", "\(tenant.displayName) (\(tenant.slug))")) }
        rows.append(("permissions", caller.permissions.joined(separator: " ")))
        return rows
    }

    private static func show(_ rows: [(name: String, text: String)], _ context: Context) {
        let room = max(20, (Terminal.width(.output) ?? 100) - 13)
        context.show(
            .object(rows.map { ($0.name.replacing(" ", with: "_"), .string($0.text)) }),
            rows.flatMap { row in
                DisplayWidth.wrapped(DisplayWidth.printable(row.text), to: room).enumerated().map { index, line in
                    DisplayWidth.padded(index == 0 ? row.name : "", to: 13) + line
                }
            }
        )
    }
}
