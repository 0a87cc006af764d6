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

    private struct Entry {
        let header: [UInt8]
        let scope: Scope
        /// In nanoseconds of `EventLoop.now`.
        let validUntil: UInt64
    }

    private typealias Answer = Result<Scope, any Error>

    private let loop: EventLoop
    private let database: Database
    private var entries: [UInt64: Entry] = [:]
    private var waiting: [[UInt8]: [CheckedContinuation<Answer, Never>]] = [:]

    init(_ loop: EventLoop, _ database: Database) {
        self.loop = loop
        self.database = database
    }

    /// The caller behind an authorization header, if it is remembered and its lease lasts.
    func known(_ header: UnsafeRawBufferPointer) -> Scope? {
        loop.assertOnLoop()
        guard let key = Self.key(header), let entry = entries[key], loop.now < entry.validUntil,
            Self.equal(entry.header, header)
        else { return nil }
        return entry.scope
    }

    /// The caller behind an authorization header, from the database.
    ///
    /// Throws ``DomainError/unauthenticated(_:)`` or `PostgresError`.
    func admit(_ header: [UInt8]) async throws -> Scope {
        loop.assertOnLoop()
        guard let credential = Self.credential(header) else { throw DomainError.unauthenticated(.malformed) }
        let answer: Answer = await withCheckedContinuation { continuation in
            if waiting[header] != nil {
                waiting[header]?.append(continuation)
                return
            }
            waiting[header] = [continuation]
            // A task of its own: the call that asked first may be cancelled while others wait for the same answer.
            loop.startTask { await self.lookUp(credential, header) }
        }
        return try answer.get()
    }

    private func lookUp(_ credential: Credential, _ header: [UInt8]) async {
        // From before the question was sent, so that nobody is let in longer than a lease after a revocation.
        let asked = loop.now
        let answer: Answer
        do {
            if let admitted = try await Admission.admit(credential, database) {
                remember(admitted, header, asked)
                answer = .success(admitted.scope)
            } else {
                answer = .failure(DomainError.unauthenticated(.refused))
            }
        } catch {
            answer = .failure(error)
        }
        for continuation in waiting.removeValue(forKey: header) ?? [] { continuation.resume(returning: answer) }
    }

    private func remember(_ admitted: Admission.Admitted, _ header: [UInt8], _ asked: UInt64) {
        var lasts = Admission.lease
        if let expires = admitted.expires {
            lasts = min(lasts, .microseconds(max(0, expires.microseconds - Instant.now().microseconds)))
        }
        guard let key = header.withUnsafeBytes(Self.key) else { return }
        if entries.count >= Self.capacity { forgetStale() }
        let validUntil = asked + UInt64(lasts / .nanoseconds(1))
        entries[key] = Entry(header: header, scope: admitted.scope, validUntil: validUntil)
    }

    /// Makes room: forgets whose lease has run out, and everybody when that is not enough.
    private func forgetStale() {
        let now = loop.now
        entries = entries.filter { now < $0.value.validUntil }
        if entries.count >= Self.capacity { entries.removeAll(keepingCapacity: true) }
    }

    private static let scheme = Array("bearer ".utf8)

    /// The credential of a header `Bearer trl_...`; the scheme's case does not count (RFC 9110, section 11.1).
    private static func credential(_ header: [UInt8]) -> Credential? {
        guard header.count > scheme.count,
            zip(header, scheme).allSatisfy({ $0 | 0x20 == $1 | 0x20 })
        else { return nil }
        return Credential(secret: String(decoding: header.dropFirst(scheme.count), as: UTF8.self))
    }

    /// Eight characters out of the random part: those before the checksum and its underscore.
    private static func key(_ header: UnsafeRawBufferPointer) -> UInt64? {
        guard header.count > 32 else { return nil }
        return header.loadUnaligned(fromByteOffset: header.count - 16, as: UInt64.self)
    }

    private static func equal(_ left: [UInt8], _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}
