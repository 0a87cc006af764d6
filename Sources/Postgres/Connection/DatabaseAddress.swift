internal import CPostgres

/// Where a database is and as whom to reach it.
public struct DatabaseAddress: Sendable {
    /// libpq's keywords and their values.
    private(set) var keywords: [String: String]

    /// Reads a URL (`postgresql://user:password@host:port/database?sslmode=require`) or a `key=value` string, as libpq
    /// understands them.
    ///
    /// - Throws: a `protocol` error with libpq's reason.
    public init(_ text: String) throws(PostgresError) {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(text, &message) else {
            let reason = message.map { String(cString: $0) } ?? "out of memory\n"
            PQfreemem(message)
            throw PostgresError(
                .protocol,
                "the database URL cannot be read: \(reason.dropLast())."
                    + " It looks like postgresql://user@host:5432/database"
            )
        }
        defer { PQconninfoFree(options) }
        keywords = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { keywords[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
    }

    /// The database `database` of the cluster whose socket is in `socketDirectory`.
    public init(socketDirectory: String, port: Int = 5432, database: String, user: String) {
        keywords = ["host": socketDirectory, "port": String(port), "dbname": database, "user": user]
    }

    /// The same with another database.
    public func with(database: String) -> DatabaseAddress {
        var copy = self
        copy.keywords["dbname"] = database
        return copy
    }

    /// The same with another user and without the password.
    public func with(user: String) -> DatabaseAddress {
        var copy = self
        copy.keywords["user"] = user
        copy.keywords["password"] = nil
        return copy
    }

    /// The same for sessions that run as `role` from their start, where the user is a member of it.
    public func with(role: String) -> DatabaseAddress {
        with(setting: "role", role)
    }

    /// The same for sessions that have `name` set to `value` from their start.
    public func with(setting name: String, _ value: String) -> DatabaseAddress {
        var copy = self
        let escaped = value.reduce(into: "") { text, character in
            if character == " " || character == "\\" { text.append("\\") }
            text.append(character)
        }
        copy.keywords["options"] = (keywords["options"].map { $0 + " " } ?? "") + "-c \(name)=\(escaped)"
        return copy
    }

    /// The same for sessions that `pg_stat_activity` shows under `applicationName`.
    public func with(applicationName: String) -> DatabaseAddress {
        var copy = self
        copy.keywords["application_name"] = applicationName
        return copy
    }

    /// The database's name, as far as the address says it.
    public var database: String? { keywords["dbname"] }

    /// A `key=value` string for `psql`, without the password.
    public var description: String {
        keywords.filter { $0.key != "password" && $0.key != "sslpassword" }.sorted { $0.key < $1.key }
            .map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
    }

    /// Whether connecting asks nobody for the host's address: a socket path, or an address in numbers.
    var needsNoLookup: Bool {
        if keywords["hostaddr"] != nil { return true }
        let host = keywords["host"] ?? ""
        return host.isEmpty || host.hasPrefix("/") || host.allSatisfy { $0.isHexDigit || $0 == "." || $0 == ":" }
    }
}

extension DatabaseAddress: CustomStringConvertible {}
