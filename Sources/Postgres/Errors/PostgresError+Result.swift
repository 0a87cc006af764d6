internal import CPostgres

extension PostgresError {
    /// Reads the error out of a result.
    ///
    /// - Parameter isCancelRequested: whether we asked for the cancellation that the server may be reporting.
    init(result: OpaquePointer, isCancelRequested: Bool) {
        func field(_ code: Character) -> String? {
            PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
        }
        guard let state = field("C") else {
            // Without a SQLSTATE it is libpq that speaks: the connection is gone or the use is wrong.
            let message = PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
            self.init(.outcomeUnknown, Self.oneLine(message))
            return
        }
        let report = ServerReport(
            sqlState: SQLState(rawValue: state),
            detail: field("D"),
            hint: field("H"),
            schema: field("s"),
            table: field("t"),
            column: field("c"),
            constraint: field("n"),
            routine: field("R")
        )
        let kind: Kind
        switch field("V") {
        case "FATAL", "PANIC":
            // The session has ended; whether the commit came before that, nobody can say.
            kind = .outcomeUnknown
        default:
            kind = state == "57014" ? (isCancelRequested ? .cancelled : .timeout) : .server
        }
        self.init(kind, field("M") ?? "no message", report)
    }

    /// What a connection's last error was.
    static func connectionMessage(_ connection: OpaquePointer?) -> String {
        guard let connection, let message = PQerrorMessage(connection) else { return "out of memory" }
        return oneLine(String(cString: message))
    }

    private static func oneLine(_ text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline)
        return lines.isEmpty ? "no reason given" : lines.joined(separator: "; ")
    }
}
