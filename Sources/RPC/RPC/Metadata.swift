public import HTTP2
internal import Primitives

/// Names and values that travel beside a call's messages, in the order in which they were added.
///
/// Names are compared in lower case and may repeat. A name that ends in "-bin" holds bytes and travels as base64; any
/// other value is printable ASCII. What the protocols themselves use (names that start with ":", "grpc-" or "connect-",
/// content-type, te, host and what belongs to a body or a connection) can be looked up by name but is not shown when the metadata is
/// walked through, and is not added, so that metadata can be passed on from one call to another.
public struct Metadata: Sendable {
    /// The fields as HTTP/2 has them.
    public private(set) var fields: HeaderFields

    /// No metadata.
    public init() {
        fields = HeaderFields()
    }

    /// The metadata of a header list.
    public init(_ fields: HeaderFields) {
        self.fields = fields
    }

    /// Whether there is nothing, not even fields of the protocol.
    public var isEmpty: Bool { fields.isEmpty }

    /// Adds a text value, unless the name is one of the protocols' own. Characters that may not travel in a header are
    /// replaced by "?" or, in names, by "-"; spaces at the ends go.
    public mutating func append(_ name: String, _ value: String) {
        precondition(!name.hasSuffix("-bin"), "\(name) holds bytes: use appendBytes")
        let name = name.utf8.map(Self.nameByte)
        let value = value.utf8.map { $0 >= 0x20 && $0 <= 0x7e ? $0 : UInt8(ascii: "?") }
        appendRaw(name, Array(value.trimmed))
    }

    /// Adds bytes under a name that ends in "-bin", unless it is one of the protocols' own.
    public mutating func appendBytes(_ name: String, _ value: some Collection<UInt8>) {
        precondition(name.hasSuffix("-bin"), "a name for bytes ends in -bin: \(name)")
        appendRaw(name.utf8.map(Self.nameByte), Array(Base64.encode(value, padding: false).utf8))
    }

    /// Adds everything that another value holds.
    public mutating func append(contentsOf other: Metadata) {
        for index in 0..<other.fields.count {
            other.fields.withField(at: index) { fields.append($0, $1) }
        }
    }

    /// The first value of this name, as it travelled.
    public subscript(name: String) -> String? {
        fields.firstIndex(of: name.lowercased()).map(text)
    }

    /// The first value of this name, as it travelled; the name is in lower case.
    public func first(_ name: StaticString) -> String? {
        fields.first(name)
    }

    /// All values of this name, as they travelled.
    public func all(_ name: String) -> [String] {
        let wanted = name.lowercased()
        return (0..<fields.count).filter { fields.field(at: $0).name == wanted }.map(text)
    }

    /// The bytes of the first value of this name, which ends in "-bin"; nil when there is none, or it is not base64.
    public func bytes(_ name: String) -> [UInt8]? {
        guard let index = fields.firstIndex(of: name.lowercased()) else { return nil }
        return fields.withField(at: index) { _, value in
            Base64.decode(utf8: value.prefix { $0 != UInt8(ascii: ",") }.trimmed)
        }
    }

    /// The bytes of all values of this name, which ends in "-bin", in order: base64 with padding or without. Values that
    /// were joined with commas on the way are taken apart.
    ///
    /// - Returns: empty when there is none; nil when one of them is not base64.
    public func allBytes(_ name: String) -> [[UInt8]]? {
        let wanted = name.lowercased()
        var values: [[UInt8]] = []
        for index in 0..<fields.count {
            let isWhole = fields.withField(at: index) { name, value in
                guard name.elementsEqual(wanted.utf8) else { return true }
                for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                    guard let bytes = Base64.decode(utf8: part.trimmed) else { return false }
                    values.append(bytes)
                }
                return true
            }
            guard isWhole else { return nil }
        }
        return values
    }

    /// Whether a list of codings, such as "gzip, identity;q=0", names one and does not refuse it (RFC 9110, section 12.5.3).
    public func accepts(_ coding: StaticString, in name: StaticString) -> Bool {
        guard fields.firstIndex(of: name) != nil else { return false }
        return all("\(name)").contains { list in
            list.split(separator: ",").contains { element in
                let parts = element.lowercased().split(separator: ";").map { Array($0.utf8)[...].trimmed }
                guard parts.first?.elementsEqual("\(coding)".utf8) == true else { return false }
                return !parts.dropFirst().contains { part in
                    let weight = String(decoding: part, as: UTF8.self)
                    return weight.hasPrefix("q=") && Double(weight.dropFirst(2)) == 0
                }
            }
        }
    }

    /// Calls `body` with the bytes of the first value of this name, valid only inside it, or nil; makes no String.
    @inlinable public func withValue<T>(
        _ name: StaticString,
        _ body: (UnsafeRawBufferPointer?) throws -> T
    ) rethrows -> T {
        guard let index = fields.firstIndex(of: name) else { return try body(nil) }
        return try fields.withField(at: index) { _, value in try body(value) }
    }

    private func text(_ index: Int) -> String {
        fields.withField(at: index) { _, value in String(decoding: value, as: UTF8.self) }
    }

    private mutating func appendRaw(_ name: [UInt8], _ value: [UInt8]) {
        guard !name.withUnsafeBytes(Self.isReserved) else { return }
        name.withUnsafeBytes { name in value.withUnsafeBytes { value in fields.append(name, value) } }
    }

    /// The byte in lower case when it may stand in a name, or "-".
    private static func nameByte(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
            UInt8(ascii: "-"), UInt8(ascii: "."):
            byte
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
        default: UInt8(ascii: "-")
        }
    }
}

extension Collection<UInt8> where Self: BidirectionalCollection, SubSequence: BidirectionalCollection<UInt8> {
    /// Without spaces and tabs at the ends.
    fileprivate var trimmed: SubSequence {
        var rest = self[...]
        while let last = rest.last, last == 0x20 || last == 0x09 { rest = rest.dropLast() }
        return rest.drop { $0 == 0x20 || $0 == 0x09 }
    }
}

extension Metadata: Sequence {
    /// Walks through the names and values that are not the protocol's own.
    public func makeIterator() -> AnyIterator<(name: String, value: String)> {
        var index = 0
        return AnyIterator {
            while index < fields.count {
                defer { index += 1 }
                let isHidden = fields.withField(at: index) { name, _ in Self.isReserved(name) }
                if !isHidden { return fields.field(at: index) }
            }
            return nil
        }
    }

    private static let reserved: Set<String> = [
        "", "te", "host", "upgrade", "connection", "keep-alive", "content-type", "content-length", "accept-encoding",
        "content-encoding", "proxy-connection", "transfer-encoding",
    ]

    private static func isReserved(_ name: UnsafeRawBufferPointer) -> Bool {
        switch name.first {
        case UInt8(ascii: ":"): return true
        case UInt8(ascii: "g") where name.starts(with: "grpc-".utf8): return true
        case UInt8(ascii: "c") where name.starts(with: "connect-".utf8): return true
        default: break
        }
        switch name.count {
        case 0, 2, 4, 7, 10, 12, 14, 15, 16, 17: return reserved.contains(String(decoding: name, as: UTF8.self))
        default: return false
        }
    }
}

extension Metadata: Equatable {
    /// Whether both hold the same fields in the same order.
    public static func == (left: Metadata, right: Metadata) -> Bool {
        left.fields.count == right.fields.count
            && (0..<left.fields.count).allSatisfy { left.fields.field(at: $0) == right.fields.field(at: $0) }
    }
}

extension Metadata: ExpressibleByDictionaryLiteral {
    /// Text values, in order.
    public init(dictionaryLiteral elements: (String, String)...) {
        self.init()
        for (name, value) in elements { append(name, value) }
    }
}
