public import EventLoop
public import Postgres
public import Primitives
public import Protobuf
internal import TrellisAPI

/// A job that is being run: under whose scope, and what it can say of itself.
///
/// The task of a job is cancelled when somebody cancels the job, when it was lost to another server, and when the server
/// stops and its grace is over; what waits for the database or sleeps throws then. A job that computes for long asks
/// ``checkCancellation()`` now and then.
public final class JobContext: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// The job's id.
    public let id: UUID
    /// Its kind: what the audit events of what it does have for a method.
    let kind: String
    /// How often a server has begun with it, this time included.
    public let attempt: Int32
    /// The job's tenant, or the platform, with all permissions: whoever enqueued it has asked for the caller's.
    public let scope: Scope
    /// The connections of the loop that the job runs on.
    public let database: Database
    /// What personal data is kept under.
    public let keyring: Keyring
    /// What the job was ended with by its own transaction.
    package private(set) var finished: Finished?
    /// Waits until all servers know of changes of who may do what.
    private let settle: @Sendable ([UUID: Int64]) async -> Void
    private var reported: UInt64 = 0

    /// How a job was ended by its own transaction.
    package struct Finished {
        /// The serialized google.protobuf.Any that an operation leads to.
        package let response: [UInt8]?
        /// The tenants of which it changed who may do what, each with its new epoch: the job is not shown as ended before all
        /// servers know, so only its response is stored yet.
        package let access: [UUID: Int64]
    }

    /// Takes a job that was claimed.
    package init(
        id: UUID,
        kind: String,
        tenant: UUID,
        attempt: Int32,
        database: Database,
        keyring: Keyring,
        settle: @escaping @Sendable ([UUID: Int64]) async -> Void
    ) {
        self.id = id
        self.kind = kind
        self.attempt = attempt
        self.database = database
        self.keyring = keyring
        self.settle = settle
        scope = Scope(
            tenant: tenant,
            actor: tenant == .zero ? .platform(key: id) : .job(id),
            grants: Grants(tenant: PermissionSet(["*"]))
        )
    }

    /// The loop that the job runs on.
    public var loop: EventLoop { database.loop }

    /// Throws `CancellationError` when the job is to be given up.
    public func checkCancellation() throws { try Task.checkCancellation() }

    /// Runs a transaction under the job's scope. It takes effect only if the job is still this server's: else it is rolled
    /// back and ``JobLost`` thrown. When it loses against others it is run again, so `body` must have no effect elsewhere.
    ///
    /// What `body` says to `Work.audit` and `Work.audit(in:)` is left as events of the job; nothing when it says nothing. When it
    /// has changed who may do what, this returns when all servers know.
    public func write<Value>(_ body: (Work) async throws -> Value) async throws -> Value {
        let (value, access) = try await database.transaction(scope.settings) { transaction in
            let work = work(transaction)
            let value = try await body(work)
            try await leaveEvents(work)
            let hold = JobHold(tenantID: scope.tenant, jobID: id, attempt: attempt)
            guard try await transaction.run(hold) != nil else { throw JobLost(job: id.text) }
            return (value, work.effects.access)
        }
        if !access.isEmpty { await settle(access) }
        return value
    }

    /// Runs ``write(_:)`` until `body`, which answers with how much it has done, finds nothing more to do: what cannot be one
    /// transaction because there may be any amount of it.
    ///
    /// - Parameter message: what the job shows as its progress, beside how much it has done.
    public func writeAll(_ message: String, _ body: (Work) async throws -> Int) async throws {
        var done: Int64 = 0
        while true {
            try checkCancellation()
            let count = try await write(body)
            guard count > 0 else { return }
            done += Int64(count)
            try await report(done: done, total: 0, message: message)
        }
    }

    /// Runs the transaction that ends an operation: what it changes and that the operation has succeeded take effect together,
    /// so that this happens exactly once. The handler returns what this returns. Of events and of who may do what, what is said of
    /// ``write(_:)`` holds: nobody sees the operation as ended before all servers know.
    public func finish<Response: Message>(_ body: (Work) async throws -> Response) async throws -> Response {
        let response = try await end { work in
            let response = try await body(work)
            return (response, AnyMessage(packing: response).serialized())
        }
        return response
    }

    /// Runs the transaction that ends a job: what it changes and that the job has succeeded take effect together, so that
    /// this happens exactly once. The handler returns after it.
    public func finish(_ body: (Work) async throws -> Void) async throws {
        try await end { work in (try await body(work), nil) }
    }

    /// Shows how far the job is. At most four times a second; what is said in between is left out, but for the end.
    ///
    /// - Parameter total: 0 while it is not known.
    public func report(done: Int64, total: Int64, message: String = "") async throws {
        guard reported == 0 || loop.now - reported >= 250_000_000 || done == total else { return }
        reported = loop.now
        let report = JobReport(
            done: done,
            total: total,
            message: message,
            tenantID: scope.tenant,
            jobID: id,
            attempt: attempt
        )
        guard try await database.run(report, scope.settings) == 1 else { throw JobLost(job: id.text) }
    }

    private func end<Value>(_ body: (Work) async throws -> (Value, [UInt8]?)) async throws -> Value {
        precondition(finished == nil, "a job ends once")
        let (value, finished) = try await database.transaction(scope.settings) { transaction in
            let work = work(transaction)
            let (value, response) = try await body(work)
            try await leaveEvents(work)
            let access = work.effects.access
            guard try await isStored(response, isEnd: access.isEmpty, transaction) else { throw JobLost(job: id.text) }
            return (value, Finished(response: response, access: access))
        }
        self.finished = finished
        return value
    }

    /// Ends the job, or, when others must know first, stores what it has led to: whoever takes it over ends it with that.
    private func isStored(_ response: [UInt8]?, isEnd: Bool, _ transaction: Transaction) async throws -> Bool {
        guard isEnd else {
            let store = JobStore(response: response ?? [], tenantID: scope.tenant, jobID: id, attempt: attempt)
            return try await transaction.run(store) == 1
        }
        let finish = JobFinish(
            state: Int16(JobState.succeeded.rawValue),
            response: response,
            error: nil,
            lastError: nil,
            tenantID: scope.tenant,
            jobID: id,
            attempt: attempt
        )
        return try await transaction.run(finish) == 1
    }

    /// Writes the events of what a transaction has done, if it said anything.
    private func leaveEvents(_ work: Work) async throws {
        let call = WriteCall(scope: scope, method: kind, callID: id.text, isAudited: true, keyring: keyring)
        if !work.audit.isEmpty {
            _ = try await work.transaction.run(call.event(of: scope.tenant, by: .job(id), work.audit))
        }
        try await work.leaveTrails(call) { _ in .job(id) }
    }

    private func work(_ transaction: Transaction) -> Work {
        Work(transaction: transaction, scope: scope, auditTenant: scope.tenant, keyring: keyring)
    }
}
