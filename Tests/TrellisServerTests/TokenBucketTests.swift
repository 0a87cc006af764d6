import Dispatch
import Domain
import EventLoop
import Primitives
import Protobuf
import RPC
import Synchronization
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Token buckets")
struct TokenBucketTests {
    static let second: Int64 = 1_000_000_000
    /// Ten a second, three at once.
    static let pace = Pace(Rates.Rate(perSecond: 10, burst: 3), share: 1)

    @Test("a full bucket gives its burst, then says exactly when there is a token, and has it then and not before")
    func burst() {
        let (bucket, start) = (TokenBucket(), 77 * Self.second)
        for _ in 0..<3 { #expect(bucket.take(Self.pace, at: start) == 0) }
        let wait = bucket.take(Self.pace, at: start)
        #expect(wait == Self.second / 10)
        #expect(bucket.take(Self.pace, at: start + wait - 1) == 1)
        #expect(bucket.take(Self.pace, at: start + wait) == 0)
        #expect(bucket.take(Self.pace, at: start + wait) == Self.second / 10)
    }

    @Test("whatever the times of the calls, one number lets through what counting tokens lets through")
    func reference() {
        var chance = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            let rate = Rates.Rate(
                perSecond: .random(in: 1...1000, using: &chance),
                burst: .random(in: 1...50, using: &chance)
            )
            let (pace, bucket) = (Pace(rate, share: 1), TokenBucket())
            var now = Int64.random(in: 1_000_000...2_000_000, using: &chance) + pace.capacity
            // What is in the bucket, as the time in which it came.
            var (level, wrong, taken) = (pace.capacity, 0, 0)
            for _ in 0..<1_000 {
                let pause = Int64.random(in: 0...(2 * pace.interval), using: &chance)
                (now, level) = (now + pause, min(pace.capacity, level + pause))
                let isThere = level >= pace.interval
                if isThere { (level, taken) = (level - pace.interval, taken + 1) }
                let wait = bucket.take(pace, at: now)
                if wait != (isThere ? 0 : pace.interval - level) { wrong += 1 }
            }
            #expect(wrong == 0 && taken > 100 && taken <= 1_000, "\(rate)")
        }
    }

    @Test("what is put back can be taken again, and nothing more")
    func putBack() {
        let bucket = TokenBucket()
        for _ in 0..<3 { #expect(bucket.take(Self.pace, at: Self.second) == 0) }
        bucket.putBack(Self.pace)
        #expect(bucket.take(Self.pace, at: Self.second) == 0)
        #expect(bucket.take(Self.pace, at: Self.second) > 0)
    }

    @Test("a bucket that was emptied on a slow plan does not keep its caller waiting on a fast one")
    func adapt() {
        let (slow, bucket) = (Pace(Rates.Rate(perSecond: 1, burst: 60), share: 1), TokenBucket())
        for _ in 0..<60 { #expect(bucket.take(slow, at: Self.second) == 0) }
        #expect(bucket.take(Self.pace, at: Self.second) > 50 * Self.second)
        bucket.adapt(to: Self.pace, at: Self.second)
        #expect(bucket.take(Self.pace, at: Self.second) == Self.second / 10)
        // And does not give what was not there.
        bucket.adapt(to: slow, at: Self.second)
        #expect(bucket.take(Self.pace, at: Self.second) > 0)
    }

    @Test("servers that share a rate let its parts through, each a whole burst; the greatest numbers do not overflow")
    func share() {
        let shared = Pace(Rates.Rate(perSecond: 10, burst: 3), share: 5)
        #expect(shared.interval == Self.second / 2 && shared.capacity == 3 * Self.second / 2)
        let least = Pace(Rates.Rate(perSecond: 1, burst: 1_000_000), share: 1000)
        let bucket = TokenBucket()
        #expect(bucket.take(least, at: 400 * 86_400 * Self.second) == 0)
    }

    @Test("threads that take at once get each token once")
    func threads() {
        let (pace, bucket) = (Pace(Rates.Rate(perSecond: 1, burst: 5_000), share: 1), TokenBucket())
        let taken = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<4_000 where bucket.take(pace, at: Self.second) == 0 { taken.add(1, ordering: .relaxed) }
        }
        #expect(taken.load(ordering: .relaxed) == 5_000)
    }
}

@Suite("Rate limits")
struct RateLimiterTests {
    /// Two of a tenant's credentials, under a plan by which the tenant may make five reads at once and each of them
    /// three.
    struct Two {
        let limiter = RateLimiter(share: 1, perAddress: 0)
        let tenant = UUID.v7()
        let one = UUID.v7()
        let two = UUID.v7()
        let now: UInt64 = 5_000_000_000

        func gate(_ key: UUID, _ rateClass: RateClass = .read, _ rates: Rates? = nil) throws -> RateGate {
            let scope = Scope(tenant: tenant, actor: .service(key: key), grants: Grants())
            let gates = limiter.gates(scope, rates ?? RateLimiterTests.rates, at: now)
            return try #require(gates[Int(rateClass.rawValue)])
        }

        func refusal(_ gate: RateGate) -> RateRefusal? {
            do {
                try gate.admit(at: now)
                return nil
            } catch {
                return error as? RateRefusal
            }
        }
    }

    static let rates = TenantStanding([
        TenantAdmissionRow(
            state: 1,
            rateClass: 1,
            tenantPerSecond: 10,
            tenantBurst: 5,
            credentialPerSecond: 10,
            credentialBurst: 3
        ),
        TenantAdmissionRow(
            state: 1,
            rateClass: 2,
            tenantPerSecond: 10,
            tenantBurst: 1,
            credentialPerSecond: 10,
            credentialBurst: 1
        ),
    ]).rates

    @Test("a credential that calls too much uses up nothing of what is the whole tenant's")
    func credentialFirst() throws {
        let world = Two()
        let one = try world.gate(world.one)
        let two = try world.gate(world.two)
        for _ in 0..<3 { #expect(world.refusal(one) == nil) }
        for _ in 0..<100 { #expect(world.refusal(one)?.limit.subject == .credential) }
        for _ in 0..<2 { #expect(world.refusal(two) == nil) }
        // Five of the tenant are gone, and the second credential's last one stays for when there are more.
        for _ in 0..<100 { #expect(world.refusal(two)?.limit.subject == .tenant) }
        let later = world.now + 100_000_000
        try two.admit(at: later)
        #expect(throws: RateRefusal.self) { try two.admit(at: later) }
    }

    @Test("each class has buckets of its own; a class without rates, and the platform, have none")
    func classes() throws {
        let world = Two()
        let reads = try world.gate(world.one)
        let writes = try world.gate(world.one, .write)
        for _ in 0..<3 { #expect(world.refusal(reads) == nil) }
        #expect(world.refusal(reads) != nil)
        #expect(world.refusal(writes) == nil)
        #expect(world.refusal(writes)?.limit.rateClass == .write)
        let platform = Scope(tenant: .zero, actor: .platform(key: .v7()), grants: Grants())
        #expect(world.limiter.gates(platform, .unlimited, at: world.now).allSatisfy { $0 == nil })
        let scope = Scope(tenant: world.tenant, actor: .service(key: world.one), grants: Grants())
        let gates = world.limiter.gates(scope, Self.rates, at: world.now)
        #expect(gates[Int(RateClass.heavy.rawValue)] == nil && gates.count == Rates.classes.count + 1)
    }

    @Test("a caller who is admitted again, on whatever loop, finds the bucket as it was left")
    func again() throws {
        let world = Two()
        let first = try world.gate(world.one)
        for _ in 0..<3 { #expect(world.refusal(first) == nil) }
        let second = try world.gate(world.one)
        #expect(world.refusal(second)?.limit.subject == .credential)
    }

    @Test("buckets that nobody holds and that are full are dropped; those that are held, or not full, stay")
    func sweep() throws {
        let world = Two()
        let held = try world.gate(world.one)
        let spent = UUID.v7()
        #expect(world.refusal(try world.gate(spent)) == nil)
        for _ in 0..<10_000 { _ = try world.gate(.v7()) }
        #expect(world.limiter.bucketCount < 9_000)
        for _ in 0..<2 { #expect(world.refusal(held) == nil) }
        #expect(world.refusal(try world.gate(spent)) == nil)
        // Three of the one's, and with the held one's two all five of the tenant's: a bucket that was lost would have
        // more.
        #expect(world.refusal(try world.gate(spent)) == nil)
        #expect(world.refusal(try world.gate(spent))?.limit.subject == .credential)
        #expect(world.refusal(try world.gate(.v7()))?.limit.subject == .tenant)
    }

    @Test("who needs no credential is counted by address, all of IPv4 and the first half of IPv6")
    func addresses() throws {
        let limiter = RateLimiter(share: 1, perAddress: 1)
        for _ in 0..<10 { try limiter.admit(peer: "10.0.0.1:5000", at: 1_000_000_000) }
        let refusal = #expect(throws: RateRefusal.self) { try limiter.admit(peer: "10.0.0.1:5001", at: 1_000_000_000) }
        #expect(refusal?.limit.subject == .address && refusal?.limit.name == "addresses/10.0.0.1")
        try limiter.admit(peer: "10.0.0.2:5000", at: 1_000_000_000)
        try limiter.admit(peer: "10.0.0.1:5000", at: 2_000_000_000)
        let unlimited = RateLimiter(share: 1, perAddress: 0)
        for _ in 0..<1_000 { try unlimited.admit(peer: "10.0.0.1:5000", at: 1_000_000_000) }
    }

    @Test(
        "the network of an address",
        arguments: [
            ("127.0.0.1:80", "127.0.0.1"), ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::/64"),
            ("[2001:db8::1]:80", "2001:db8:0:0::/64"), ("[::1]:80", "0:0:0:0::/64"),
            ("[2001:db8:1:2::]:80", "2001:db8:1:2::/64"), ("[::ffff:10.0.0.1]:80", "10.0.0.1"),
            ("[fe80::1:2:3:4%eth0]:80", "fe80:0:0:0::/64"), ("unknown", "unknown"),
        ]
    )
    func networks(peer: String, network: String) {
        #expect(RateLimiter.network(of: peer) == network)
    }

    @Test("a refusal says whose limit it is, how large, and when to come back")
    func words() throws {
        let limit = RateLimit(.tenant, "tenants/1", .read, Rates.Rate(perSecond: 100, burst: 300))
        let refusal = RateRefusal(limit, 1_500_000_000)
        let reply = ErrorReply(refusal)
        #expect(reply.code == .resourceExhausted && reply.reason == "RATE_LIMITED" && !reply.isFault)
        #expect(reply.quota?.subject == "tenants/1" && reply.retryAfter == .milliseconds(1500))
        #expect(reply.message.contains("100 reads a second and 300 at once"))
        let (ours, theirs) = (refusal.rpcError(requestID: "call-7"), reply.rpcError(requestID: "call-7"))
        #expect(ours.code == theirs.code && ours.message == theirs.message)
        #expect(try RPCStatus(serialized: ours.status.details) == RPCStatus(serialized: theirs.status.details))
        var trailers = Metadata()
        refusal.write(to: &trailers)
        #expect(trailers["ratelimit-limit"] == "100, 100;w=1;burst=300")
        #expect(trailers["ratelimit-remaining"] == "0" && trailers["ratelimit-reset"] == "2")
        var more: Metadata = ["x-request-id": "call-7"]
        refusal.write(to: &more)
        #expect(more["x-request-id"] == "call-7" && more["ratelimit-reset"] == "2")
    }
}
