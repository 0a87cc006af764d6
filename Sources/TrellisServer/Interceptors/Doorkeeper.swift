import Credentials
import Domain
import EventLoop
import Postgres
import Primitives
import Tenancy

/// Finds out who is calling, and remembers it as long as the lease lasts.
///
/// A credential is looked up when its lease has run out, once for all calls that wait for it. What is remembered is
/// found by eight random bytes out of the credential and compared as a whole in constant time, so a call whose caller is
/// known costs neither an allocation nor a hash of a secret. Only valid credentials are remembered.
final class Doorkeeper: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// Callers remembered at most, a loop; about 1 KiB each.
    static let capacity = 10_000

    private typealias Answer = Result<Caller, any Error>

    private let loop: EventLoop
    private let database: Database
    private let accessTokens: AccessTokens
    /// What roles hold; set before the server listens.
    var catalogue = PermissionCatalogue([], platform: [])
    private var entries: [UInt64: Caller] = [:]
    private var waiting: [[UInt8]: [CheckedContinuation<Answer, Never>]] = [:]

    init(_ loop: EventLoop, _ database: Database, _ accessTokens: AccessTokens) {
        self.loop = loop
        self.database = database
        self.accessTokens = accessTokens
    }

    /// The caller behind an authorization header, if it is remembered and its lease lasts.
    func known(_ header: UnsafeRawBufferPointer) -> Caller? {
        loop.assertOnLoop()
        guard let key = Self.key(header), let caller = entries[key], loop.now < caller.validUntil,
            caller.header.withUnsafeBytes({ Self.equal($0, header) })
        else { return nil }
        return caller
    }

    /// The caller behind an authorization header, from the database.
    ///
    /// Throws ``DomainError/unauthenticated(_:)`` or `PostgresError`.
    func admit(_ header: [UInt8]) async throws -> Caller {
        loop.assertOnLoop()
        var credential: Presented?
        if waiting[header] == nil {
            credential = Self.credential(header)
            if credential == nil { throw DomainError.unauthenticated(.malformed) }
        }
        let answer: Answer = await withCheckedContinuation { continuation in
            waiting[header, default: []].append(continuation)
            guard let credential else { return }
            // A task of its own: the call that asked first may be cancelled while others wait for the same answer.
            loop.startTask { await self.lookUp(credential, header) }
        }
        return try answer.get()
    }

    private func lookUp(_ credential: Presented, _ header: [UInt8]) async {
        // From before the question was sent, so that nobody is let in longer than a lease after a revocation.
        let asked = loop.now
        let answer: Answer
        do {
            let admitted: (scope: Scope, expires: Instant?)? =
                switch credential {
                case .key(let key):
                    try await Admission.admit(key, database, catalogue).map { ($0.scope, $0.expires) }
                case .accessToken(let token): try await accessTokens.admit(token, catalogue)
                }
            if let admitted {
                answer = .success(remember(admitted.scope, admitted.expires, header, asked))
            } else {
                answer = .failure(DomainError.unauthenticated(.refused))
            }
        } catch {
            answer = .failure(error)
        }
        for continuation in waiting.removeValue(forKey: header) ?? [] { continuation.resume(returning: answer) }
    }

    private func remember(_ scope: Scope, _ expires: Instant?, _ header: [UInt8], _ asked: UInt64) -> Caller {
        var lasts = Admission.lease
        if let expires {
            lasts = min(lasts, .microseconds(max(0, expires.microseconds - Instant.now().microseconds)))
        }
        let caller = Caller(header, scope, validUntil: asked + UInt64(lasts / .nanoseconds(1)))
        if let key = header.withUnsafeBytes(Self.key) {
            if entries.count >= Self.capacity { forgetStale() }
            entries[key] = caller
        }
        return caller
    }

    /// Makes room: forgets whose lease has run out, and everybody when that is not enough.
    private func forgetStale() {
        let now = loop.now
        entries = entries.filter { now < $0.value.validUntil }
        if entries.count >= Self.capacity { entries.removeAll(keepingCapacity: true) }
    }

    private static let scheme = Array("bearer ".utf8)

    /// What callers show.
    private enum Presented {
        case key(Credential)
        case accessToken(String)
    }

    /// The credential of a header `Bearer trl_...`, or `Bearer` and an access token, which has dots; the scheme's case does
    /// not count (RFC 9110, section 11.1).
    private static func credential(_ header: [UInt8]) -> Presented? {
        guard header.count > scheme.count,
            zip(header, scheme).allSatisfy({ $0 | 0x20 == $1 | 0x20 })
        else { return nil }
        let text = String(decoding: header.dropFirst(scheme.count), as: UTF8.self)
        return text.contains(".") ? .accessToken(text) : Credential(secret: text).map { .key($0) }
    }

    /// Eight characters out of the random part: those before a key's checksum and its underscore, or near the end of an
    /// access token's signature.
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

    /// The authorization header, whole.
    let header: [UInt8]
    /// Under what their calls run.
    let scope: Scope
    /// Until when they are let in without asking, in nanoseconds of `EventLoop.now`.
    let validUntil: UInt64
    /// By ``Route/index``; only of methods that they may call.
    private var calls: [Call?] = []

    init(_ header: [UInt8], _ scope: Scope, validUntil: UInt64) {
        self.header = header
        self.scope = scope
        self.validUntil = validUntil
    }

    /// The call of a method that they have called, and may.
    func call(_ method: Int) -> Call? { method < calls.count ? calls[method] : nil }

    /// Remembers that they may call a method.
    func remember(_ call: Call, of method: Int) {
        while calls.count <= method { calls.append(nil) }
        calls[method] = call
    }
}
