public import TrellisAPI

/// How many calls may be made of a tenant, by class: by all its credentials together, and by each.
public struct Rates: Hashable, Sendable {
    /// So many calls a second in the long run, and so many at once.
    public struct Rate: Hashable, Sendable {
        /// Calls a second in the long run.
        public var perSecond: Int
        /// Calls at once.
        public var burst: Int

        /// Takes the numbers.
        public init(perSecond: Int, burst: Int) {
            self.perSecond = perSecond
            self.burst = burst
        }
    }

    private var classes: [RateClass: Pair] = [:]

    private struct Pair: Hashable {
        var tenant: Rate
        var credential: Rate
    }

    /// No limits, as the platform's own credential has none.
    public static let unlimited = Rates()

    /// The classes of RPCs that have rates, in the order of their numbers.
    public static let classes: [RateClass] = [.read, .write, .heavy, .credential]

    private init() {}

    fileprivate init(_ rows: [TenantAdmissionRow]) {
        for row in rows {
            classes[RateClass(rawValue: Int32(row.rateClass))] = Pair(
                tenant: Rate(perSecond: Int(row.tenantPerSecond), burst: Int(row.tenantBurst)),
                credential: Rate(perSecond: Int(row.credentialPerSecond), burst: Int(row.credentialBurst))
            )
        }
    }

    /// The rates of a class: of the whole tenant, and of one credential; nil when they are not limited.
    public subscript(_ rateClass: RateClass) -> (tenant: Rate, credential: Rate)? {
        classes[rateClass].map { ($0.tenant, $0.credential) }
    }
}

/// How a tenant stands, as every admission of one of its credentials asks.
public struct TenantStanding: Sendable {
    /// How many calls may be made.
    public let rates: Rates
    /// Why nobody of the tenant is let in, if that is so.
    public let closure: TenantClosure?

    /// The platform's: always open, and unlimited.
    public static let platform = TenantStanding()

    private init() { (rates, closure) = (.unlimited, nil) }

    /// Takes what ``TenantAdmission`` has found; no tenant is as good as a purged one.
    package init(_ rows: [TenantAdmissionRow]) {
        rates = Rates(rows)
        closure = rows.first.map { TenantClosure(rawValue: $0.state) } ?? .purged
    }
}
