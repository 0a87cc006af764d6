import Credentials
import Domain
import EventLoop
import Postgres
import Primitives
import Tenancy

/// Finds out who is calling, and remembers it until something changes.
///
/// What is remembered is found by eight bytes out of what the caller sent and compared as a whole in constant time, so a call
/// whose caller is known costs neither an allocation nor a hash of a secret. Only who was let in is remembered: until the
/// credential ends, at most ``memory``, and until ``AccessNews`` tells of a change in their tenant. While this server cannot
/// hear of changes, every call is looked up.
final class Doorkeeper: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// Callers remembered at most, a loop; about 1 KiB each.
    static let capacity = 10_000
    /// For how long somebody is let in without being looked up, when nothing changes: what the documents allow for permissions.
    static let memory = Duration.seconds(15 * 60)

    private typealias Answer = Result<Caller, any Error>

    private let loop: EventLoop
    private let database: Database
    private let accessTokens: AccessTokens
    /// What this loop has not taken note of yet.
    private let news: AccessNews
    private let limiter: RateLimiter
    /// What roles hold; set before the server listens.
    var catalogue = PermissionCatalogue([], platform: [])
    private var entries: [UInt64: Caller] = [:]
    /// The era of each tenant whose callers are remembered or looked up.
    private var eras: [UUID: AccessEra] = [:]
    /// Look-ups that those who ask for the same may wait for.
    private var lookUps: [[UInt8]: LookUp] = [:]
    /// When credentials were last used whose callers have been forgotten since.
    private var uses: [CredentialUse: UInt64] = [:]

    /// A look-up that is under way, and who waits for it.
    private final class LookUp: @unchecked Sendable {
        // @unchecked: confined to the loop.
        var waiting: [CheckedContinuation<Answer, Never>] = []
        /// In which it was begun.
        let era: AccessEra

        init(_ era: AccessEra) { self.era = era }
    }

    init(
        _ loop: EventLoop,
        _ database: Database,
        _ accessTokens: AccessTokens,
        _ news: AccessNews,
        _ limiter: RateLimiter
    ) {
        self.loop = loop
        self.database = database
        self.accessTokens = accessTokens
        self.news = news
        self.limiter = limiter
    }

    // MARK: Who is known

    /// The caller behind an authorization header, if they are remembered.
    func known(_ header: UnsafeRawBufferPointer) -> Caller? { known(header, byCertificate: false) }

    /// The caller behind a certificate, by its fingerprint, if they are remembered.
    func known(certificate fingerprint: String) -> Caller? {
        var fingerprint = fingerprint
        return fingerprint.withUTF8 { known(UnsafeRawBufferPointer($0), byCertificate: true) }
    }

    private func known(_ bytes: UnsafeRawBufferPointer, byCertificate: Bool) -> Caller? {
        loop.assertOnLoop()
        // Whoever waits until nobody trusts themselves any more waits longer than this clock may be behind (`AccessEpochs.margin`).
        let now = loop.recently
        // The trust before the news: whoever sees a trust sees all news from before it.
        guard now < news.trustedUntil else { return nil }
        if news.isThere { takeNews() }
        // A fingerprint is no secret, so a header that reads like one must not pass for a certificate.
        guard let key = Self.key(bytes), let caller = entries[key], now < caller.validUntil, !caller.era.isOver,
            caller.byCertificate == byCertificate, caller.bytes.withUnsafeBytes({ Self.equal($0, bytes) })
        else { return nil }
        caller.lastUse = now
        return caller
    }

    /// Forgets those for whom something has changed.
    private func takeNews() {
        let changes = news.take()
        if changes.isEverything {
            for era in eras.values { era.isOver = true }
            eras = [:]
        } else {
            for tenant in changes.tenants { eras.removeValue(forKey: tenant)?.isOver = true }
            // Whose certificate it is, a look-up finds out last of all.
            eras.removeValue(forKey: Self.anyTenant)?.isOver = true
        }
    }

    /// Whether a tenant lets nobody administer it from an address, as far as that is known here.
    func refuses(_ address: IPAddress?, of tenant: UUID) -> Bool {
        guard loop.now < news.trustedUntil else { return false }
        if news.isThere { takeNews() }
        guard let addresses = eras[tenant]?.addresses else { return false }
        return !addresses.admits(address)
    }

    // MARK: Looking up

    /// The caller behind what was sent, from the database.
    ///
    /// - Parameter isUrgent: whether nothing will do that was asked before now.
    ///
    /// Throws ``DomainError/unauthenticated(_:)``, ``RefusedCaller`` for who was let in before, or `PostgresError`.
    func admit(_ evidence: Evidence, isUrgent: Bool) async throws -> Caller {
        loop.assertOnLoop()
        if news.isThere { takeNews() }
        let bytes = evidence.bytes
        // While nothing is heard of changes, an answer is good only for whoever asked before it was asked for.
        let mayShare = !isUrgent && loop.now < news.trustedUntil
        let answer: Answer = await withCheckedContinuation { continuation in
            if mayShare, let lookUp = lookUps[bytes], !lookUp.era.isOver {
                lookUp.waiting.append(continuation)
                return
            }
            let lookUp = LookUp(era(of: evidence.tenant ?? Self.anyTenant))
            lookUp.waiting.append(continuation)
            lookUps[bytes] = lookUp
            // A task of its own: the call that asked first may be cancelled while others wait for the same answer.
            loop.startTask { await self.run(lookUp, evidence, bytes) }
        }
        return try answer.get()
    }

    private func run(_ lookUp: LookUp, _ evidence: Evidence, _ bytes: [UInt8]) async {
        // From before the question was sent.
        let asked = loop.now
        let answer: Answer
        do {
            if let admitted = try await evidence.look(in: database, accessTokens, catalogue) {
                answer = .success(remember(admitted, evidence, bytes, asked, lookUp.era))
            } else {
                answer = .failure(DomainError.unauthenticated(evidence.refusal))
            }
        } catch {
            answer = .failure(error)
        }
        if lookUps[bytes] === lookUp { lookUps[bytes] = nil }
        for continuation in lookUp.waiting { continuation.resume(returning: answer) }
    }

    private func remember(
        _ admitted: Admission.Admitted,
        _ evidence: Evidence,
        _ bytes: [UInt8],
        _ asked: UInt64,
        _ began: AccessEra
    ) -> Caller {
        if news.isThere { takeNews() }
        if entries.count >= Self.capacity { makeRoom() }
        var lasts = Self.memory
        if let expires = admitted.expires {
            lasts = min(lasts, .microseconds(max(0, expires.microseconds - Instant.now().microseconds)))
        }
        // What was asked in an era that is over is the answer to who asked, and to nobody after them.
        let era = began.isOver ? began : era(of: admitted.scope.tenant)
        era.addresses = admitted.addresses
        let caller = Caller(
            bytes,
            byCertificate: evidence.isCertificate,
            admitted,
            era,
            gates: limiter.gates(admitted.scope, admitted.standing.rates, at: asked),
            validUntil: asked + UInt64(lasts / .nanoseconds(1))
        )
        caller.lastUse = asked
        if !era.isOver, let key = bytes.withUnsafeBytes(Self.key) {
            if let old = entries.updateValue(caller, forKey: key) { note(old) }
        } else {
            note(caller)
        }
        return caller
    }

    private func era(of tenant: UUID) -> AccessEra {
        if let era = eras[tenant] { return era }
        let era = AccessEra()
        eras[tenant] = era
        return era
    }

    /// Stands for the tenant of who has not been looked up yet, and may be of any.
    private static let anyTenant = UUID(high: .max, low: .max)

    /// Forgets who is let in no more, and everybody when that is not enough.
    private func makeRoom() {
        let now = loop.now
        for (key, caller) in entries where caller.era.isOver || caller.validUntil <= now {
            note(caller)
            entries[key] = nil
        }
        if entries.count >= Self.capacity {
            for caller in entries.values { note(caller) }
            entries.removeAll(keepingCapacity: true)
        }
        var used = Set(entries.values.map { ObjectIdentifier($0.era) })
        used.formUnion(lookUps.values.map { ObjectIdentifier($0.era) })
        for (tenant, era) in eras where !used.contains(ObjectIdentifier(era)) {
            // Nobody would tell it any more.
            era.isOver = true
            eras[tenant] = nil
        }
    }

    // MARK: Uses

    /// When credentials were used since this was asked before, in nanoseconds of `EventLoop.now`.
    func takeUses() -> [CredentialUse: UInt64] {
        loop.assertOnLoop()
        for caller in entries.values { note(caller) }
        defer { uses = [:] }
        return uses
    }

    private func note(_ caller: Caller) {
        guard caller.lastUse > 0, let use = caller.use else { return }
        uses[use] = max(uses[use] ?? 0, caller.lastUse)
        caller.lastUse = 0
    }

    // MARK: Bytes

    /// Eight bytes that tell callers apart: of a key, out of the random part before the checksum and its underscore.
    private static func key(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
        guard bytes.count > 32 else { return nil }
        return bytes.loadUnaligned(fromByteOffset: bytes.count - 16, as: UInt64.self)
    }

    /// Compares what is longer than 32 bytes in constant time, eight bytes at a time; the last eight may overlap.
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

/// The time between two changes of who may do what in a tenant, as one loop knows it: what was found out in one that is
/// over is not true any more. Confined to its loop.
final class AccessEra {
    /// Whether something has changed since.
    var isOver = false
    /// From where the tenant may be administered; nil when from everywhere, or when nobody has been let in yet.
    var addresses: AllowedAddresses?
}

/// Somebody who has been let in, and their calls of each method, made when they first call it.
final class Caller: @unchecked Sendable {
    // @unchecked: confined to its loop.

    /// The authorization header or the fingerprint of the certificate, whole.
    let bytes: [UInt8]
    /// Which of the two.
    let byCertificate: Bool
    /// Under what their calls run.
    let scope: Scope
    /// How many changes of their tenant's access are taken into account.
    let epoch: Int64
    /// From where they may administer their tenant; nil for everywhere.
    let addresses: AllowedAddresses?
    /// What is told of their credential's use; nil for nothing.
    let use: CredentialUse?
    let era: AccessEra
    /// By the number of a method's class: what their calls are counted by; nil when they are not.
    let gates: [RateGate?]
    /// Why nobody of their tenant is let in, if that is so.
    let closure: TenantClosure?
    /// Until when they are let in without asking, in nanoseconds of `EventLoop.now`.
    let validUntil: UInt64
    /// When they last called; 0 when that has been noted.
    var lastUse: UInt64 = 0
    /// By ``Route/index``; only of methods that they may call.
    private var calls: [Call?] = []

    init(
        _ bytes: [UInt8],
        byCertificate: Bool,
        _ admitted: Admission.Admitted,
        _ era: AccessEra,
        gates: [RateGate?],
        validUntil: UInt64
    ) {
        self.bytes = bytes
        self.byCertificate = byCertificate
        self.era = era
        self.gates = gates
        closure = admitted.standing.closure
        self.validUntil = validUntil
        scope = admitted.scope
        epoch = admitted.epoch
        addresses = admitted.addresses
        use = admitted.use
    }

    /// The call of a method that they have called, and may.
    func call(_ method: Int) -> Call? { method < calls.count ? calls[method] : nil }

    /// Remembers that they may call a method.
    func remember(_ call: Call, of method: Int) {
        while calls.count <= method { calls.append(nil) }
        calls[method] = call
    }
}
