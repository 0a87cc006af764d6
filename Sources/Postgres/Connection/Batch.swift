internal import CPostgres

/// Statements that go to the server together and succeed or fail together, on their way from a caller to the server and
/// back. One Sync ends them, so outside of an explicit transaction they are a transaction of their own.
///
/// Confined to its loop; handed to cancellation handlers, which submit to the loop. Hence @unchecked.
final class Batch: @unchecked Sendable {
    enum State {
        case idle
        case queued
        case inFlight
        /// The caller has gone on; answers that still come are thrown away.
        case abandoned
        case finished
    }

    /// A command without parameters that comes first: BEGIN, COMMIT, ROLLBACK.
    let command: String?
    /// Made after the command, all in one statement.
    let settings: [SessionSettings.Setting]
    let statements: [any Statement]

    var state = State.idle
    /// When waiting in line ends, in the loop's nanoseconds.
    var queueDeadline = UInt64.max
    /// When the connection that runs it is given up.
    var hardDeadline = UInt64.max
    /// Whether the server was asked to cancel it.
    var isCancelRequested = false

    /// Whether it failed only because a batch before it in its group did.
    var isBystander = false
    /// Whether it was one, and is sent alone from now on.
    private(set) var goesAlone = false

    /// The first thing that went wrong.
    var failure: PostgresError?
    /// The tag with which the server acknowledged `command`.
    var commandTag: String?
    /// An answer a statement, owned by the batch until taken.
    private var results: [OpaquePointer?]
    private var continuation: UnsafeContinuation<Void, Never>?

    init(command: String? = nil, settings: [SessionSettings.Setting] = [], statements: [any Statement] = []) {
        self.command = command
        self.settings = settings
        self.statements = statements
        results = Array(repeating: nil, count: statements.count)
    }

    deinit {
        clearResults()
    }

    /// Remembers whom to wake. Called once for each time the batch is sent.
    func begin(_ continuation: UnsafeContinuation<Void, Never>) {
        self.continuation = continuation
    }

    /// Keeps a statement's answer until the caller decodes it.
    func keep(_ result: OpaquePointer, of index: Int) {
        PQclear(results[index])
        results[index] = result
    }

    /// The answer to a statement, once, after the batch has finished without failure.
    func takeResult(_ index: Int) throws(PostgresError) -> QueryResult {
        guard let result = results[index].take() else {
            throw PostgresError(.protocol, "the server did not answer statement \(index + 1) of the batch")
        }
        return QueryResult(taking: result)
    }

    /// Wakes the caller. Without a failure given, the outcome is the one gathered from the answers.
    func finish(_ failure: PostgresError? = nil) {
        if let failure, self.failure == nil { self.failure = failure }
        if self.failure != nil { clearResults() }
        state = .finished
        continuation.take()?.resume()
    }

    /// Lets the caller go on with `failure` while the server still works on the batch.
    func abandon(_ failure: PostgresError) {
        self.failure = failure
        state = .abandoned
        continuation.take()?.resume()
    }

    /// Makes the batch ready to be sent a second time.
    func reset() {
        clearResults()
        failure = nil
        commandTag = nil
        isCancelRequested = false
        state = .idle
    }

    /// Whether the batch can be in one transaction with reads of other callers: when it reads, too, and makes the same
    /// settings, so that nothing that the one before it set is left in force for it.
    func canJoin(_ first: Batch) -> Bool {
        isGroupable && first.isGroupable && settings.count == first.settings.count
            && zip(settings, first.settings).allSatisfy { $0.name == $1.name }
    }

    private var isGroupable: Bool {
        command == nil && !goesAlone && statements.allSatisfy { type(of: $0).isReadOnly }
    }

    /// Makes a bystander ready to be sent again, alone. It has had no effect: it was never run.
    func retryAlone() {
        reset()
        isBystander = false
        goesAlone = true
        state = .queued
    }

    private func clearResults() {
        for index in results.indices {
            PQclear(results[index])
            results[index] = nil
        }
    }
}
