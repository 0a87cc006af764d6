import Postgres
import Primitives
import TestSupport

// What the tests of this folder run. The generator writes statements like these for the areas.

/// Creates the table that the tests work on, isolated like every tenant table.
let itemTable = """
    SET ROLE trellis_owner;
    CREATE TABLE trellis.item (
        tenant_id uuid NOT NULL, item_id uuid NOT NULL, name text NOT NULL, counter bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (tenant_id, item_id), CONSTRAINT item_name_key UNIQUE (tenant_id, name) DEFERRABLE
    );
    CALL trellis.protect_tenant_table('trellis.item');
    RESET ROLE
    """

/// The settings of a tenant's request.
func settings(_ tenant: UUID, deadline: UInt64? = nil) -> SessionSettings {
    SessionSettings(
        [
            SessionSettings.Setting(name: "trellis.tenant", value: tenant.text),
            SessionSettings.Setting(name: "trellis.actor", value: "test"),
        ],
        deadline: deadline
    )
}

struct ItemInsert: Statement {
    static let name = "ItemInsert"
    static let sql = "INSERT INTO trellis.item (tenant_id, item_id, name) VALUES ($1, $2, $3)"
    var tenant: UUID
    var item: UUID
    var name: String

    func bind(_ parameters: inout Parameters) {
        parameters.add(tenant)
        parameters.add(item)
        parameters.add(name)
    }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int { result.rowsAffected }
}

struct Item: Sendable, Equatable {
    var tenant: UUID
    var item: UUID
    var name: String
    var counter: Int64
}

struct ItemGet: Statement {
    static let name = "ItemGet"
    static let isReadOnly = true
    static let sql = "SELECT tenant_id, item_id, name, counter FROM trellis.item WHERE item_id = $1"
    var item: UUID

    func bind(_ parameters: inout Parameters) { parameters.add(item) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Item? {
        try result.first { row throws(PostgresError) in
            Item(tenant: try row.uuid(0), item: try row.uuid(1), name: try row.text(2), counter: try row.int64(3))
        }
    }
}

struct ItemList: Statement {
    static let name = "ItemList"
    static let isReadOnly = true
    static let sql = "SELECT tenant_id, item_id, name, counter FROM trellis.item ORDER BY item_id"

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> [Item] {
        try result.rows { row throws(PostgresError) in
            Item(tenant: try row.uuid(0), item: try row.uuid(1), name: try row.text(2), counter: try row.int64(3))
        }
    }
}

struct ItemCountUp: Statement {
    static let name = "ItemCountUp"
    static let sql = "UPDATE trellis.item SET counter = $2 WHERE item_id = $1"
    var item: UUID
    var counter: Int64

    func bind(_ parameters: inout Parameters) {
        parameters.add(item)
        parameters.add(counter)
    }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int { result.rowsAffected }
}

/// Fails with 22012 when the divisor is 0.
struct Divide: Statement {
    static let name = "Divide"
    static let isReadOnly = true
    static let sql = "SELECT 100 / $1"
    var divisor: Int32

    func bind(_ parameters: inout Parameters) { parameters.add(divisor) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Int32? {
        try result.first { row throws(PostgresError) in try row.int32(0) }
    }
}

/// Takes a while.
struct Sleep: Statement {
    static let name = "Sleep"
    static let sql = "SELECT pg_sleep($1)"
    var seconds: Double

    func bind(_ parameters: inout Parameters) { parameters.add(seconds) }

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) {}
}

/// The session's process and what is set in it.
struct SessionGet: Statement {
    struct Session: Sendable {
        var process: Int32
        var tenant: String?
        var actor: String?
        var role: String?
    }

    static let name = "SessionGet"
    static let isReadOnly = true
    static let sql = """
        SELECT pg_backend_pid(), current_setting('trellis.tenant', true), current_setting('trellis.actor', true),
            current_user::text
        """

    func bind(_ parameters: inout Parameters) {}

    static func decode(_ result: borrowing QueryResult) throws(PostgresError) -> Session? {
        try result.first { row throws(PostgresError) in
            Session(
                process: try row.int32(0),
                tenant: try row.optionalText(1),
                actor: try row.optionalText(2),
                role: try row.optionalText(3)
            )
        }
    }
}

/// What a call threw as a ``PostgresError``; nil when it threw nothing.
func failure(_ body: () async throws -> Void) async throws -> PostgresError? {
    do {
        try await body()
        return nil
    } catch let error as PostgresError {
        return error
    }
}
