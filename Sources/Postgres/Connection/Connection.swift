internal import CPostgres
internal import EventLoop
internal import Logging

/// Who is told what becomes of a connection: the pool.
protocol ConnectionOwner: AnyObject {
    /// The connection can take batches.
    func connectionDidOpen(_ connection: Connection)
    /// At least one batch was answered.
    func connectionDidProgress(_ connection: Connection)
    /// A batch was not run because another one of its group failed: it goes back in line.
    func connection(_ connection: Connection, didPassOver batch: Batch)
    /// The connection is over, for a reason or because its owner wanted it. Its batches have failed already.
    func connectionDidClose(_ connection: Connection, _ error: PostgresError?, wasOpen: Bool)
}

/// One session with the server, in libpq's pipeline mode but for scripts and COPY.
///
/// Life: `connecting` -> `open` -> `closed`, or straight from `connecting` to `closed`. Batches go out in the order of
/// `send` and are answered in it. Confined to its loop.
final class Connection: @unchecked Sendable {
    enum Use {
        /// Many callers' batches, in a pipeline.
        case shared
        /// One caller at a time.
        case leased
        /// A listener's, for notifications.
        case listening
    }

    enum State {
        case connecting
        case open
        case closed
    }

    /// What the server owes us next.
    enum Expected {
        case prepared(PreparedStatement, name: String)
        case command
        case settings
        case statement(Int, PreparedStatement)
        case sync
        /// Nothing; the answers to one batch of a group end here.
        case memberEnd
        /// The Sync after a group, whose batches have been told already.
        case groupSync
    }

    let loop: EventLoop
    let use: Use
    let logger: Logger
    unowned let owner: any ConnectionOwner

    private(set) var state = State.connecting
    /// When it was opened, in the loop's nanoseconds.
    private(set) var openedAt: UInt64 = 0
    /// Since when nobody has used it.
    var idleSince: UInt64 = 0

    var pq: OpaquePointer?
    private var descriptor: Int32 = -1
    private var watcher: FDWatcher?
    private var connectTimer: LoopTimer?

    var inFlight = Queue<Batch>()
    var expected = Queue<Expected>()
    private var prepared: [ObjectIdentifier: PreparedStatement] = [:]
    private var preparedSettings: [PreparedStatement] = []
    private var scratch = Parameters()
    private var values: [UnsafePointer<CChar>?] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []

    /// A script or a COPY, for which pipeline mode has been left.
    var simple: SimpleOperation?
    /// The request to cancel that is under way, on another connection and off the loop.
    var cancelRequest: Task<Void, Never>?
    /// Told of each notification; nil where the session listens to nothing.
    var onNotification: ((DatabaseNotification) -> Void)?

    init(loop: EventLoop, use: Use, owner: any ConnectionOwner, logger: Logger) {
        self.loop = loop
        self.use = use
        self.owner = owner
        self.logger = logger
    }

    /// How many batches have been sent and not been answered.
    var load: Int { inFlight.count }

    /// The server process of the session; 0 when there is none.
    var process: Int32 { PQbackendPID(pq) }

    // MARK: Opening

    /// Starts to connect. The owner hears of the outcome, never from within this call.
    func open(_ address: DatabaseAddress, timeout: Duration) {
        connectTimer = loop.schedule(after: timeout) { [weak self] in
            self?.close(PostgresError(.unavailable, "PostgreSQL did not answer within \(timeout)"))
        }
        loop.submit { [self] in
            if address.needsNoLookup {
                adopt(PQHandle.start(address))
            } else {
                // libpq looks the host up in this call, and waits for the answer.
                loop.startTask { [self] in
                    // The closure throws nothing, so neither does this.
                    adopt((try? await Offload.run { PQHandle.start(address) }) ?? PQHandle(pointer: nil))
                }
            }
        }
    }

    private func adopt(_ handle: PQHandle) {
        guard state == .connecting else {
            PQfinish(handle.pointer)
            return
        }
        pq = handle.pointer
        guard let pq, PQstatus(pq) != CONNECTION_BAD else {
            close(PostgresError(.unavailable, PostgresError.connectionMessage(pq)))
            return
        }
        // Notices (a DROP IF EXISTS of something absent, say) are of no use to a server; by default they go to stderr.
        PQsetNoticeReceiver(pq, { _, _ in }, nil)
        watch(for: .writable)
    }

    /// Watches the socket anew: libpq may have replaced it by another, even with the same number.
    private func watch(for interest: Readiness) {
        watcher?.close()
        descriptor = PQsocket(pq)
        do throws(EventLoopError) {
            let watcher = try loop.watch(descriptor) { [self] readiness in handle(readiness) }
            watcher.interest = interest
            self.watcher = watcher
        } catch {
            close(PostgresError(.unavailable, "the connection cannot be watched: \(error)"))
        }
    }

    private func poll() {
        // libpq may close the socket in this call, so nothing may watch it.
        watcher?.close()
        watcher = nil
        switch PQconnectPoll(pq) {
        case PGRES_POLLING_READING: watch(for: .readable)
        case PGRES_POLLING_WRITING: watch(for: .writable)
        case PGRES_POLLING_OK: didConnect()
        default: close(PostgresError(.unavailable, PostgresError.connectionMessage(pq)))
        }
    }

    private func didConnect() {
        connectTimer?.cancel()
        connectTimer = nil
        guard PQsetnonblocking(pq, 1) == 0, PQenterPipelineMode(pq) == 1 else {
            close(PostgresError(.protocol, PostgresError.connectionMessage(pq)))
            return
        }
        state = .open
        openedAt = loop.now
        idleSince = openedAt
        watch(for: .readable)
        if state == .open { owner.connectionDidOpen(self) }
    }

    // MARK: Closing

    /// Ends the connection: everything in flight fails with an unknown outcome, and the owner is told. Without a reason
    /// the connection is merely no longer wanted.
    func close(_ error: PostgresError? = nil) {
        guard state != .closed else { return }
        let wasOpen = state == .open
        state = .closed
        connectTimer?.cancel()
        watcher?.close()
        watcher = nil
        PQfinish(pq)
        pq = nil
        expected = Queue()
        let unknown = PostgresError(
            .outcomeUnknown,
            "the connection was lost before the server answered, so this may or may not have taken effect: "
                + (error?.message ?? "it was closed")
        )
        while let batch = inFlight.popFirst() { batch.finish(unknown) }
        simple?.finish(unknown)
        simple = nil
        owner.connectionDidClose(self, error, wasOpen: wasOpen)
    }

    // MARK: Sending

    /// Encodes a batch into libpq's buffer; `flush` writes it out.
    func send(_ batch: Batch) {
        guard encode(batch) else { return lose() }
        let ok = trellis_pq_send_sync(pq) == 1
        expected.append(.sync)
        if !ok { lose() }
    }

    /// Encodes a group of reads, one transaction and one Sync for all of them.
    ///
    /// Each makes its settings before it reads, the same ones as the others, so what it sees is its own; one whose
    /// settings have the values that the one before it made is under them already. When one fails, the server passes
    /// over the rest of the group, which the owner sends again.
    func send(group: [Batch]) {
        var inForce: [SessionSettings.Setting] = []
        for batch in group {
            guard encode(batch, inForce: inForce) else { return lose() }
            expected.append(.memberEnd)
            inForce = batch.settings
        }
        let ok = trellis_pq_send_sync(pq) == 1
        expected.append(.groupSync)
        if !ok { lose() }
    }

    private func encode(_ batch: Batch, inForce: [SessionSettings.Setting] = []) -> Bool {
        precondition(state == .open && simple == nil, "batches go to an open connection in pipeline mode")
        batch.state = .inFlight
        inFlight.append(batch)
        var ok = true
        if let command = batch.command {
            ok = PQsendQueryParams(pq, command, 0, nil, nil, nil, nil, 1) == 1
            expected.append(.command)
        }
        if ok, batch.settings != inForce { ok = sendSettings(batch) }
        for (index, statement) in batch.statements.enumerated() where ok {
            ok = send(statement, index, batch)
        }
        return ok
    }

    private func sendSettings(_ batch: Batch) -> Bool {
        let count = batch.settings.count
        while preparedSettings.count < count {
            preparedSettings.append(PreparedStatement(name: "trellis_settings_\(preparedSettings.count + 1)"))
        }
        scratch.removeAll()
        for setting in batch.settings {
            scratch.add(setting.name)
            scratch.add(setting.value)
        }
        let statement = preparedSettings[count - 1]
        return send(statement, sql: settingsSQL[count - 1], .settings, batch)
    }

    private func send(_ statement: any Statement, _ index: Int, _ batch: Batch) -> Bool {
        let type = type(of: statement)
        let prepared: PreparedStatement
        if let known = self.prepared[ObjectIdentifier(type)] {
            prepared = known
        } else {
            prepared = PreparedStatement(name: type.name)
            self.prepared[ObjectIdentifier(type)] = prepared
        }
        scratch.removeAll()
        statement.bind(&scratch)
        return send(prepared, sql: type.sql, .statement(index, prepared), batch)
    }

    /// Sends what is in `scratch`: by name when the server knows it, preparing it first when it does not.
    private func send(_ statement: PreparedStatement, sql: @autoclosure () -> String, _ next: Expected, _ batch: Batch)
        -> Bool
    {
        let count = Int32(scratch.count)
        switch statement.state {
        case .absent:
            let types = scratch.entries.map(\.type.rawValue)
            guard PQsendPrepare(pq, statement.name, sql(), count, types) == 1 else { return false }
            statement.state = .pending(batch)
            expected.append(.prepared(statement, name: statement.name))
        case .pending(let other) where other !== batch:
            let types = scratch.entries.map(\.type.rawValue)
            expected.append(next)
            return withParameters { PQsendQueryParams(pq, sql(), count, types, $0, $1, $2, 1) == 1 }
        case .pending, .ready: break
        }
        expected.append(next)
        return withParameters { PQsendQueryPrepared(pq, statement.name, count, $0, $1, $2, 1) == 1 }
    }

    /// Lends the parameters in `scratch` in the form that libpq takes.
    private func withParameters(
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Bool
    ) -> Bool {
        values.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        formats.removeAll(keepingCapacity: true)
        return scratch.bytes.withUnsafeBytes { bytes in
            // An empty buffer has no address, but a parameter that is not NULL needs one.
            let base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 16).unsafelyUnwrapped
            for entry in scratch.entries {
                let address = (base + entry.offset).assumingMemoryBound(to: CChar.self)
                values.append(entry.length < 0 ? nil : address)
                lengths.append(max(entry.length, 0))
                formats.append(entry.format)
            }
            return body(values, lengths, formats)
        }
    }

    /// Whether something encoded waits for the socket.
    var isWritePending: Bool { watcher?.interest.contains(.writable) ?? false }

    /// Has `handle` called in the next turn, or as soon as the socket takes more.
    func awaitWritable() {
        if state == .open { watcher?.interest = [.readable, .writable] }
    }

    /// Writes out what was encoded, as far as the socket takes it; the rest follows when it is writable.
    func flush() {
        guard state == .open else { return }
        switch PQflush(pq) {
        case 0: watcher?.interest = .readable
        case 1: watcher?.interest = [.readable, .writable]
        default: lose()
        }
    }

    // MARK: Receiving

    private func handle(_ readiness: Readiness) {
        guard state == .open else {
            if state == .connecting { poll() }
            return
        }
        // Reading comes first: a server that is going away says why, and then writing fails.
        if readiness != .writable { receive() }
        if state == .open, readiness.contains(.writable) {
            flush()
            simple?.resumeWriter()
            // A write that did not fit made libpq read, and what it read no descriptor will report again.
            if state == .open { takeAnswers() }
        }
    }

    private func receive() {
        guard PQconsumeInput(pq) == 1 else {
            lose()
            return
        }
        takeAnswers()
        if state == .open, PQstatus(pq) == CONNECTION_BAD { lose() }
    }

    private func takeAnswers() {
        if simple != nil {
            receiveSimple()
            return
        }
        let before = inFlight.count
        receiveAnswers()
        takeNotifications()
        if state == .open, inFlight.count != before { owner.connectionDidProgress(self) }
    }

    /// Hands on what others have notified of, in their order.
    private func takeNotifications() {
        guard let onNotification else { return }
        while state == .open, let notification = PQnotifies(pq) {
            let (channel, payload) = (notification.pointee.relname, notification.pointee.extra)
            let sender = notification.pointee.be_pid
            let told = DatabaseNotification(
                channel: channel.map { String(cString: $0) } ?? "",
                payload: payload.map { String(cString: $0) } ?? "",
                sender: sender
            )
            PQfreemem(notification)
            onNotification(told)
        }
    }

    private func receiveAnswers() {
        var wasNull = false
        while !expected.isEmpty, PQisBusy(pq) == 0 {
            if let result = PQgetResult(pq) {
                wasNull = false
                take(result)
            } else if wasNull {
                // One NULL ends the answer to a command; a second one says that there is nothing more.
                return
            } else {
                wasNull = true
            }
        }
        if expected.isEmpty, inFlight.isEmpty, use == .shared { idleSince = loop.now }
    }

    private func take(_ result: OpaquePointer) {
        if case .groupSync = expected.first {
            // An error here is about the connection, and what follows tells.
            if PQresultStatus(result) == PGRES_PIPELINE_SYNC { _ = expected.popFirst() }
            PQclear(result)
            return
        }
        defer { finishMembers() }
        guard let batch = inFlight.first, let next = expected.first else {
            PQclear(result)
            return
        }
        switch PQresultStatus(result) {
        case PGRES_PIPELINE_SYNC:
            PQclear(result)
            guard case .sync = next else {
                close(PostgresError(.protocol, "a batch ended before all its statements were answered"))
                return
            }
            _ = expected.popFirst()
            _ = inFlight.popFirst()
            // The server sends what it has before it says that it is done: so does this.
            takeNotifications()
            batch.finish()
        case PGRES_FATAL_ERROR, PGRES_NONFATAL_ERROR, PGRES_BAD_RESPONSE:
            let error = PostgresError(result: result, isCancelRequested: batch.isCancelRequested)
            PQclear(result)
            if batch.failure == nil { batch.failure = error }
            // A deferred constraint fails at the Sync, which is still to be answered then.
            if case .sync = next { return }
            _ = expected.popFirst()
            switch next {
            case .prepared(let statement, let name): statement.didNotPrepare(name)
            case .statement(_, let statement) where error.isStalePlan: statement.invalidate()
            default: break
            }
        case PGRES_PIPELINE_ABORTED:
            PQclear(result)
            _ = expected.popFirst()
            if batch.failure == nil { batch.isBystander = true }
            if case .prepared(let statement, let name) = next { statement.didNotPrepare(name) }
        default:
            _ = expected.popFirst()
            accept(result, next, batch)
        }
    }

    private func accept(_ result: OpaquePointer, _ next: Expected, _ batch: Batch) {
        switch next {
        case .statement(let index, _):
            batch.keep(result, of: index)
            return
        case .prepared(let statement, let name): statement.didPrepare(name)
        case .command: batch.commandTag = PQcmdStatus(result).map { String(cString: $0) }
        case .settings: break
        case .sync, .memberEnd, .groupSync:
            close(PostgresError(.protocol, "the server answered more statements than were sent"))
        }
        PQclear(result)
    }

    /// Tells the batches of a group whose last answer has come.
    private func finishMembers() {
        while case .memberEnd = expected.first, let batch = inFlight.first {
            _ = expected.popFirst()
            _ = inFlight.popFirst()
            if batch.isBystander, batch.failure == nil, batch.state == .inFlight {
                batch.retryAlone()
                owner.connection(self, didPassOver: batch)
            } else {
                batch.finish()
            }
        }
    }

    /// The connection is broken: finds out why and closes it.
    private func lose() {
        guard state == .open else { return }
        // A server that ends a session says so in a last message, which may be waiting behind answers.
        var reason = PostgresError.connectionMessage(pq)
        var wasNull = false
        while !expected.isEmpty, state == .open, PQisBusy(pq) == 0 {
            if let result = PQgetResult(pq) {
                wasNull = false
                if PQresultStatus(result) == PGRES_FATAL_ERROR {
                    reason = PostgresError(result: result, isCancelRequested: false).message
                    PQclear(result)
                    break
                }
                take(result)
            } else if wasNull {
                break
            } else {
                wasNull = true
            }
        }
        close(PostgresError(.unavailable, reason))
    }
}

/// The statement that makes `n` settings, at index `n - 1`. It returns no row: there is nothing to read.
private let settingsSQL: [String] = (1...SessionSettings.maximumCount).map { count in
    "SELECT WHERE (" + (0..<count).map { "set_config($\(2 * $0 + 1), $\(2 * $0 + 2), true)" }.joined(separator: " || ")
        + ") IS NULL"
}
