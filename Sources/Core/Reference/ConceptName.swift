internal import Domain
internal import Primitives
internal import TrellisAPI

/// What names a concept wherever it is: framework, kind and code.
struct ConceptAddress: Hashable, Comparable {
    var framework: String
    var kind: Int32
    var code: String

    init(framework: String, kind: Int32, code: String) {
        self.framework = framework
        self.kind = kind
        self.code = code
    }

    /// A key of a request, whose framework may be left out.
    init(_ key: ConceptKey, framework: String) {
        self.init(framework: key.framework.isEmpty ? framework : key.framework, kind: key.kind.rawValue, code: key.code)
    }

    /// The key of an answer.
    var key: ConceptKey { ConceptKey(framework: framework, kind: ConceptKind(rawValue: kind), code: code) }

    /// By framework, kind and code; texts by their bytes, as the database orders them.
    static func < (left: ConceptAddress, right: ConceptAddress) -> Bool {
        if left.framework != right.framework { return left.framework.precedes(right.framework) }
        if left.kind != right.kind { return left.kind < right.kind }
        return left.code.precedes(right.code)
    }

    /// The id of the concept that `tenant` publishes under this address: the same in each release.
    ///
    /// A name-based UUID of version 8 (RFC 9562, section 5.8) over SHA-256: of the tenant's 16 bytes, then framework,
    /// kind and code with a zero byte between them, which none of them can hold.
    func id(tenant: UUID) -> UUID {
        var name = tenant.bytes
        name += framework.utf8
        name.append(0)
        name += String(kind).utf8
        name.append(0)
        name += code.utf8
        var bytes = Array(SHA256.hash(name).prefix(16))
        bytes[6] = bytes[6] & 0x0f | 0x80
        bytes[8] = bytes[8] & 0x3f | 0x80
        return bytes.withUnsafeBytes { UUID(bytes: $0) }
    }
}

extension String {
    /// Whether this comes before `other` in the order of their bytes.
    fileprivate func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}

extension ConceptKind {
    /// How messages to people name the kind, such as "SDG target".
    var words: String {
        switch self {
        case .unspecified: "concept of no kind"
        case .category: "category"
        case .theme: "theme"
        case .strategicGoal: "strategic goal"
        case .keyDimension: "key dimension"
        case .coreMetricSet: "core metric set"
        case .indicator: "indicator"
        case .dataRequirement: "data requirement"
        case .sdgGoal: "SDG goal"
        case .sdgTarget: "SDG target"
        case .sdgIndicator: "SDG indicator"
        case .unrecognized(let number): "concept of kind \(number)"
        }
    }

    /// Whether this version knows the kind.
    var isKnown: Bool {
        switch self {
        case .unspecified, .unrecognized: false
        default: true
        }
    }
}

extension EdgeKind {
    /// How messages to people name the kind, such as "MEASURES".
    var words: String {
        switch self {
        case .unspecified: "an edge of no kind"
        case .child: "CHILD"
        case .themeGoal: "THEME_GOAL"
        case .goalSdg: "GOAL_SDG"
        case .goalKeyDimension: "GOAL_KEY_DIMENSION"
        case .keyDimensionCoreMetricSet: "KEY_DIMENSION_CORE_METRIC_SET"
        case .coreMetricSetIndicator: "CORE_METRIC_SET_INDICATOR"
        case .indicatorDataRequirement: "INDICATOR_DATA_REQUIREMENT"
        case .measures: "MEASURES"
        case .related: "RELATED"
        case .unrecognized(let number): "an edge of kind \(number)"
        }
    }

    /// Whether this version knows the kind.
    var isKnown: Bool {
        switch self {
        case .unspecified, .unrecognized: false
        default: true
        }
    }
}
