import Domain
import EventLoop
import Primitives
import Protobuf
import RPC
import RPCServer
import Synchronization
import TrellisAPI

/// The token buckets of a server, shared by its loops: how many calls each tenant, each credential and each address may
/// still make now.
///
/// A bucket is found when a credential is admitted, and then belongs to what is remembered of the caller
/// (``RateGate``), so a call takes its tokens with two atomic operations and no look-up. The numbers come with the
/// admission, and so change when the tenant's access epoch does.
///
/// Each server counts for itself: N servers let N times the rate through, unless `share` is N.
final class RateLimiter: Sendable {
    private struct Key: Hashable {
        /// A tenant or a credential: their ids are all different.
        let subject: UUID
        let rateClass: RateClass
    }

    private struct State {
        var buckets: [Key: TokenBucket] = [:]
        /// When so many are kept, those that are as good as new are dropped.
        var sweepCount = 4096
        /// By network, when its bucket is full again.
        var networks: [String: TokenBucket] = [:]
        var networkSweepCount = 4096
    }

    /// By how many servers the plans' rates are shared.
    let share: Int
    /// What an address may do without a credential; nil: as much as it likes.
    private let addressPace: Pace?
    private let state = Mutex(State())

    /// - Parameters:
    ///   - share: by how many servers the rates are shared.
    ///   - perAddress: how many calls a second that can be used to guess a credential an address may make, ten times as
    ///     many at once; 0 is any number.
    init(share: Int, perAddress: Int) {
        self.share = share
        addressPace =
            perAddress == 0
            ? nil : Pace(Rates.Rate(perSecond: perAddress, burst: perAddress * Self.addressBurst), share: share)
    }

    /// For how many seconds' calls an address may make at once.
    private static let addressBurst = 10

    /// What a caller's calls go through, by the number of their class; nil where nothing limits them.
    func gates(_ scope: Scope, _ rates: Rates, at now: UInt64) -> [RateGate?] {
        let now = Int64(truncatingIfNeeded: now)
        var gates = [RateGate?](repeating: nil, count: Int(Rates.classes.map(\.rawValue).max() ?? 0) + 1)
        for rateClass in Rates.classes {
            guard let (tenant, credential) = rates[rateClass] else { continue }
            gates[Int(rateClass.rawValue)] = RateGate(
                rateClass,
                tenant: scope.tenant,
                credential: scope.actor.id,
                tenantBucket: bucket(scope.tenant, rateClass, at: now),
                tenantPace: Pace(tenant, share: share),
                credentialBucket: bucket(scope.actor.id, rateClass, at: now),
                credentialPace: Pace(credential, share: share),
                at: now
            )
        }
        return gates
    }

    /// Counts a call that needs no credential against its caller's address.
    ///
    /// Throws ``RateRefusal``.
    func admit(peer: String, at now: UInt64) throws {
        guard let addressPace else { return }
        let now = Int64(truncatingIfNeeded: now)
        let network = Self.network(of: peer)
        let bucket = state.withLock { state in
            if let known = state.networks[network] { return known }
            if state.networks.count >= state.networkSweepCount {
                state.networks = state.networks.filter { !$0.value.isFull(at: now) }
                state.networkSweepCount = max(4096, state.networks.count * 2)
            }
            let made = TokenBucket()
            state.networks[network] = made
            return made
        }
        let wait = bucket.take(addressPace, at: now)
        if wait > 0 {
            throw RateRefusal(RateLimit(.address, "addresses/\(network)", .credential, addressPace.rate), wait)
        }
    }

    /// The bucket of a tenant or a credential.
    private func bucket(_ subject: UUID, _ rateClass: RateClass, at now: Int64) -> TokenBucket {
        state.withLock { state in
            let key = Key(subject: subject, rateClass: rateClass)
            if let known = state.buckets[key] { return known }
            if state.buckets.count >= state.sweepCount {
                Self.sweep(&state, at: now)
                state.sweepCount = max(4096, state.buckets.count * 2)
            }
            let made = TokenBucket()
            state.buckets[key] = made
            return made
        }
    }

    /// Drops buckets that are as good as new and that no caller holds: two buckets of one tenant would be twice its
    /// rate.
    private static func sweep(_ state: inout State, at now: Int64) {
        for key in Array(state.buckets.keys) {
            guard state.buckets[key]?.isFull(at: now) == true, isKnownUniquelyReferenced(&state.buckets[key]) else {
                continue
            }
            state.buckets[key] = nil
        }
    }

    /// How many buckets of tenants and credentials are kept.
    var bucketCount: Int { state.withLock { $0.buckets.count } }

    /// The part of a peer's address that one customer of a network provider has (`SocketAddress.Network`), in text.
    static func network(of peer: String) -> String {
        guard let colon = peer.lastIndex(of: ":") else { return peer }
        var host = peer[..<colon]
        guard host.hasPrefix("["), host.hasSuffix("]") else { return String(host) }
        host = host.dropFirst().dropLast()
        if host.lowercased().hasPrefix("::ffff:"), host.contains(".") { return String(host.dropFirst(7)) }
        return prefix(of: host)
    }

    /// The first four groups of an IPv6 address, where `::` stands for as many zeros as are missing.
    private static func prefix(of host: Substring) -> String {
        let halves = host.prefix { $0 != "%" }.split(separator: "::", omittingEmptySubsequences: false)
        let groups = halves.map { $0.split(separator: ":") }
        var all = groups.first ?? []
        if groups.count == 2 {
            all += Array(repeating: "0", count: max(0, 8 - all.count - groups[1].count)) + groups[1]
        }
        return all.prefix(4).joined(separator: ":") + "::/64"
    }
}

/// What the calls of one caller and one class go through.
final class RateGate: Sendable {
    let rateClass: RateClass
    private let tenant: UUID
    private let credential: UUID
    private let tenantBucket: TokenBucket
    private let tenantPace: Pace
    private let credentialBucket: TokenBucket
    private let credentialPace: Pace
    /// What refusals say, made when the first call is refused.
    private let limits = Mutex<(tenant: RateLimit?, credential: RateLimit?)>((nil, nil))

    /// Takes the parts, and fits the buckets to the paces.
    init(
        _ rateClass: RateClass,
        tenant: UUID,
        credential: UUID,
        tenantBucket: TokenBucket,
        tenantPace: Pace,
        credentialBucket: TokenBucket,
        credentialPace: Pace,
        at now: Int64
    ) {
        self.rateClass = rateClass
        self.tenant = tenant
        self.credential = credential
        self.tenantBucket = tenantBucket
        self.tenantPace = tenantPace
        self.credentialBucket = credentialBucket
        self.credentialPace = credentialPace
        tenantBucket.adapt(to: tenantPace, at: now)
        credentialBucket.adapt(to: credentialPace, at: now)
    }

    /// Counts a call, of the credential first: one that calls too much must not use up what is the whole tenant's.
    ///
    /// Throws ``RateRefusal``.
    @inline(__always)
    func admit(at now: UInt64) throws {
        let now = Int64(truncatingIfNeeded: now)
        let wait = credentialBucket.take(credentialPace, at: now)
        guard wait == 0 else { throw refusal(.credential, wait) }
        let tenantWait = tenantBucket.take(tenantPace, at: now)
        guard tenantWait == 0 else {
            credentialBucket.putBack(credentialPace)
            throw refusal(.tenant, tenantWait)
        }
    }

    @inline(never)
    private func refusal(_ subject: RateLimit.Subject, _ wait: Int64) -> RateRefusal {
        let limit = limits.withLock { limits in
            if subject == .tenant {
                let limit = limits.tenant ?? RateLimit(.tenant, "tenants/\(tenant)", rateClass, tenantPace.rate)
                limits.tenant = limit
                return limit
            }
            let limit =
                limits.credential ?? RateLimit(.credential, "credentials/\(credential)", rateClass, credentialPace.rate)
            limits.credential = limit
            return limit
        }
        return RateRefusal(limit, wait)
    }
}

/// A rate, whose it is, and all that a refusal by it says but for when to come back: the same for every call, and so made
/// once.
final class RateLimit: Sendable {
    /// Whose buckets there are.
    enum Subject: String, CaseIterable, Sendable {
        case tenant
        case credential
        case address
    }

    /// By what refusals are counted.
    struct Label: Hashable, Sendable {
        let subject: Subject
        let rateClass: RateClass
    }

    /// Whose bucket it is that is empty.
    let subject: Subject
    /// Its name, such as "tenants/0190...".
    let name: String
    let rateClass: RateClass
    let rate: Rates.Rate
    /// What it says, and what helps.
    fileprivate let description: String
    /// The details that do not change from call to call, as a serialized `google.rpc.Status`.
    fileprivate let details: [UInt8]
    /// The trailers that do not change from call to call.
    fileprivate let trailers: Metadata

    init(_ subject: Subject, _ name: String, _ rateClass: RateClass, _ rate: Rates.Rate) {
        (self.subject, self.name, self.rateClass, self.rate) = (subject, name, rateClass, rate)
        let advice =
            switch subject {
            case .tenant: "spread calls out, or ask for a larger plan"
            case .credential: "spread calls out, give programs credentials of their own, or ask for a larger plan"
            case .address: "wait before trying again"
            }
        description =
            "\(name) may make \(rate.perSecond) \(rateClass.label) a second and \(rate.burst) at once: \(advice)"
        details = ErrorReply(Self.error(name, description, retryAfter: nil)).lasting.serialized()
        var trailers = Metadata()
        trailers.append("ratelimit-limit", "\(rate.perSecond), \(rate.perSecond);w=1;burst=\(rate.burst)")
        trailers.append("ratelimit-remaining", "0")
        self.trailers = trailers
    }

    /// By what it is counted.
    var label: Label { Label(subject: subject, rateClass: rateClass) }

    /// A refusal in the words of the domain.
    func error(retryAfter: Duration) -> DomainError { Self.error(name, description, retryAfter: retryAfter) }

    private static func error(_ name: String, _ description: String, retryAfter: Duration?) -> DomainError {
        .resourceExhausted(
            .init(reason: "RATE_LIMITED", subject: name, description: description, retryAfter: retryAfter)
        )
    }
}

/// Why a call was not let through: somebody's bucket is empty.
struct RateRefusal: Error, Sendable {
    /// Whose, and how much it holds.
    let limit: RateLimit
    /// When there will be a token.
    let wait: Duration

    init(_ limit: RateLimit, _ nanoseconds: Int64) {
        self.limit = limit
        wait = .nanoseconds(nanoseconds)
    }

    /// The refusal in the words of the domain.
    var error: DomainError { limit.error(retryAfter: wait) }

    /// The refusal as it goes to the caller, which is what ``ErrorReply`` would make of it: a serialized message after another is
    /// one message with what both hold.
    func rpcError(requestID: String) -> RPCError {
        let passing = RPCStatus(details: ErrorReply.passing(retryAfter: wait, requestID: requestID))
        return RPCError(.resourceExhausted, limit.description, details: limit.details + passing.serialized())
    }

    /// What goes back beside the status, as draft-ietf-httpapi-ratelimit-headers-03 words it.
    func write(to trailers: inout Metadata) {
        if trailers.isEmpty { trailers = limit.trailers } else { trailers.append(contentsOf: limit.trailers) }
        trailers.append("ratelimit-reset", "\(Int((wait + .milliseconds(999)) / .seconds(1)))")
    }
}

extension RateClass {
    /// The class as metrics name it.
    var metricLabel: String {
        switch self {
        case .read: "read"
        case .write: "write"
        case .heavy: "heavy"
        case .credential: "credential"
        case .unspecified, .unrecognized: "none"
        }
    }

    /// What calls of the class are, for people.
    var label: String {
        switch self {
        case .read: "reads"
        case .write: "writes"
        case .heavy: "heavy reads"
        case .credential: "credential calls"
        case .unspecified, .unrecognized: "calls"
        }
    }
}
