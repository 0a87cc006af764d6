public import Postgres
public import Primitives
public import Protobuf
internal import TrellisAPI

/// The transaction of a call that reads personal data, which remembers who has seen it.
public struct Reading {
    /// The open transaction.
    public let transaction: Transaction
    /// Who is calling.
    public let scope: Scope
    /// What the call's audit event says.
    public let audit = AuditNotes()
}

extension Database {
    /// Runs a read of personal data and writes its audit event, in one transaction: nobody sees what is not remembered.
    ///
    /// - Parameters:
    ///   - auditTenant: the tenant that a call of the platform is about.
    ///   - settings: under which it runs; by default those of the call's scope.
    ///
    /// Throws what `body` throws, or `PostgresError`. On the database's loop.
    public func read<Request: Message, Response: Message>(
        _ request: Request,
        _ call: WriteCall,
        auditTenant: UUID? = nil,
        settings: SessionSettings? = nil,
        _ body: (Reading) async throws -> Response
    ) async throws -> Response {
        var settings = settings ?? call.scope.settings
        settings.deadline = call.deadline
        return try await transaction(settings) { transaction in
            let reading = Reading(transaction: transaction, scope: call.scope)
            let response = try await body(reading)
            reading.audit.complete(with: response, makes: false)
            let event = call.event(of: auditTenant ?? call.scope.tenant, request, reading.audit)
            _ = try await transaction.run(event)
            return response
        }
    }
}

extension WriteCall {
    /// The statement that stores the call's event.
    func event<Request: Message>(of tenant: UUID, _ request: Request, _ notes: AuditNotes) -> AuditEventInsert {
        event(of: tenant, by: scope.actor, notes, request: notes.json(of: request))
    }

    /// The statement that stores an event of whoever it was.
    func event(of tenant: UUID, by actor: Actor, _ notes: AuditNotes, request: String = "{}") -> AuditEventInsert {
        var record = AuditRecord(
            tenant: tenant,
            actor: actor,
            category: category,
            method: method,
            callID: callID,
            address: address
        )
        if let refusal { (record.outcome, record.reason) = refusal }
        record.targets = notes.json
        record.request = request
        return record.insert(AuditKeys(keyring), found: notes.targets)
    }

    /// Whether the method makes something of what it answers.
    var makes: Bool {
        let name = method.split(separator: "/").last ?? ""
        return ["Create", "Invite", "Issue"].contains { name.hasPrefix($0) }
    }
}
