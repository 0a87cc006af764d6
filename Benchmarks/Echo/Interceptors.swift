import EventLoop
import Logging
import RPC
import RPCServer
import Synchronization

// What every call of trellisd passes through (Sources/TrellisServer/Interceptors), as far as it needs no database: the
// same work in the same order, for a caller whose credential is remembered.

/// What the calls of one loop share.
final class LoopPart: @unchecked Sendable {
    // @unchecked: confined to its loop.
    let loop: EventLoop
    let log: Logger
    /// The log's, asked once: asking copies its handler.
    let level: Logger.Level
    var metrics: [MethodCounts]
    private var callers: [UInt64: Caller] = [:]
    /// Until when what is remembered may be trusted, and whether something of it is to be forgotten.
    private let trustEnd = Atomic<UInt64>(.max)
    private let isNew = Atomic<Bool>(false)

    /// The calls of one method: by status code, by duration, and all durations together in nanoseconds.
    struct MethodCounts {
        var finished = [Int](repeating: 0, count: StatusCode.allCases.count)
        var durations = [Int](repeating: 0, count: LoopPart.bounds.count + 1)
        var total: UInt64 = 0
    }

    /// The upper bounds of the buckets of durations, in nanoseconds.
    static let bounds: [UInt64] = [
        100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
        250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]

    init(_ loop: EventLoop, methods: Int, log: Logger) {
        self.loop = loop
        self.log = log
        level = log.logLevel
        metrics = [MethodCounts](repeating: MethodCounts(), count: methods)
    }

    func finished(method: Int, _ code: StatusCode, nanoseconds: UInt64) {
        var bucket = 0
        while bucket < Self.bounds.count, nanoseconds > Self.bounds[bucket] { bucket += 1 }
        metrics[method].finished[code.rawValue] += 1
        metrics[method].durations[bucket] += 1
        metrics[method].total += nanoseconds
    }

    /// Lets the credential of an authorization header in for ever; before the server listens.
    ///
    /// - Returns: whether it is long enough.
    func remember(_ header: [UInt8]) -> Bool {
        guard let key = header.withUnsafeBytes(Self.key) else { return false }
        callers[key] = Caller(header, validUntil: .max)
        return true
    }

    /// The caller behind an authorization header, compared as a whole in constant time.
    func known(_ header: UnsafeRawBufferPointer) -> Caller? {
        loop.assertOnLoop()
        let now = loop.recently
        guard now < trustEnd.load(ordering: .acquiring) else { return nil }
        if isNew.load(ordering: .acquiring) { callers = [:] }
        guard let key = Self.key(header), let caller = callers[key], now < caller.validUntil, !caller.isOver,
            caller.header.withUnsafeBytes({ Self.equal($0, header) })
        else { return nil }
        caller.lastUse = now
        return caller
    }

    private static func key(_ header: UnsafeRawBufferPointer) -> UInt64? {
        guard header.count > 32 else { return nil }
        return header.loadUnaligned(fromByteOffset: header.count - 16, as: UInt64.self)
    }

    /// Compares headers of more than 32 bytes in constant time, eight bytes at a time; the last eight may overlap.
    private static func equal(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        func difference(at offset: Int) -> UInt64 {
            left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                ^ right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        }
        let last = left.count - 8
        var all = difference(at: last)
        for offset in stride(from: 0, to: last, by: 8) { all |= difference(at: offset) }
        return all == 0
    }
}

/// Somebody who has been let in, and their calls of each method, made when they first call it.
final class Caller: @unchecked Sendable {
    // @unchecked: confined to its loop.
    let header: [UInt8]
    let validUntil: UInt64
    var isOver = false
    var lastUse: UInt64 = 0
    private var calls: [Call?] = []

    init(_ header: [UInt8], validUntil: UInt64) {
        self.header = header
        self.validUntil = validUntil
    }

    func call(_ method: Int) -> Call {
        if method < calls.count, let call = calls[method] { return call }
        while calls.count <= method { calls.append(nil) }
        let call = Call(self)
        calls[method] = call
        return call
    }
}

/// A call that has been let in, as its handler finds it.
final class Call: Sendable {
    // Their caller outlives them.
    private unowned let caller: Caller
    /// The credential's and the tenant's, which no rate here empties.
    private let buckets = (TokenBucket(), TokenBucket())

    init(_ caller: Caller) { self.caller = caller }

    /// Counts a call by the rates of the plan.
    ///
    /// - Returns: whether it is let in.
    @inline(__always)
    func count(at now: UInt64) -> Bool {
        let now = Int64(truncatingIfNeeded: now)
        return buckets.0.take(at: now) && buckets.1.take(at: now)
    }
}

/// A token bucket as one number, like trellisd's, of a token a nanosecond.
final class TokenBucket: Sendable {
    private let fullAt = Atomic<Int64>(0)

    @inline(__always)
    func take(at now: Int64) -> Bool {
        var before = fullAt.load(ordering: .relaxed)
        while true {
            let after = max(before, now) &+ 1
            if after &- now > 1_000_000_000 { return false }
            let (isDone, current) = fullAt.weakCompareExchange(expected: before, desired: after, ordering: .relaxed)
            if isDone { return true }
            before = current
        }
    }
}

enum CallKey: ContextKey {
    typealias Value = Call
}

/// The parts of all loops, found by loop.
final class PartTable: @unchecked Sendable {
    // @unchecked: not changed any more once the server listens.
    private var parts: [LoopPart] = []

    func add(_ part: LoopPart) { parts.append(part) }

    subscript(loop: EventLoop) -> LoopPart {
        for part in parts where part.loop === loop { return part }
        preconditionFailure("a call lives on a loop that the server does not know")
    }
}

/// Counts calls as they end.
struct CallCounter: CallObserver {
    let part: LoopPart

    func didFinish(_ context: ServerContext, _ status: Status) {
        part.finished(
            method: context.route.index,
            status.code,
            nanoseconds: part.loop.now - context.arrived
        )
    }
}

/// Writes a line about a call to the log, which is not that talkative.
struct CallLog: CallObserver {
    let part: LoopPart

    func didFinish(_ context: ServerContext, _ status: Status) {
        let level: Logger.Level = status.code == .ok ? .debug : .info
        if status.code != .ok || context.metadata.withValue("x-request-id", { $0 != nil }) {
            context.trailers.append("x-request-id", context.requestID)
        }
        guard level >= part.level else { return }
        part.log.log(
            level: level,
            "call",
            metadata: ["request_id": "\(context.requestID)", "method": "\(context.route.path)"]
        )
    }
}

/// Lets only callers in whose credential is remembered.
struct Authentication: ServerInterceptor {
    let part: LoopPart

    func willHandleAtOnce(_ context: ServerContext) throws -> Bool {
        guard let known = context.metadata.withValue("authorization", { $0.flatMap(part.known) }) else {
            throw RPCError(.unauthenticated, "send the authorization header that trellis-echo was started with")
        }
        // A consistency token of the caller would be read here.
        if context.metadata.withValue("x-consistency-token", { $0 != nil }) { return false }
        let call = known.call(context.route.index)
        context[CallKey.self] = call
        guard call.count(at: context.arrived) else { throw RPCError(.resourceExhausted, "too many calls") }
        return true
    }
}
