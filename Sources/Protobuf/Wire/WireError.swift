/// Bytes that are not a well-formed message of the wanted type, or one that is over a limit.
public struct WireError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, and what would be right.
    public var reason: String
    /// The path of the field it is about, such as `site.display_name`; empty when no known field had begun.
    public var field: String
    /// Where in the bytes it is, counted from the start of the message.
    public var offset: Int

    /// An error at `offset` of the message, in `field`.
    public init(reason: String, field: String = "", offset: Int = 0) {
        self.reason = reason
        self.field = field
        self.offset = offset
    }

    /// One line for people: field, reason, offset.
    public var description: String {
        field.isEmpty ? "at byte \(offset): \(reason)" : "\(field), at byte \(offset): \(reason)"
    }
}

/// The limits on what one message may cost its reader.
public struct WireLimits: Sendable {
    /// How deep submessages may be nested; the message itself is depth 1. protobuf-c recurses once a level.
    public var depth: Int
    /// How much memory the decoded form may take, in bytes: fields, strings, elements and submessages together. Bounds
    /// what a small message of many empty parts can cost.
    public var memoryBytes: Int

    /// Limits of the given depth and memory.
    public init(depth: Int, memoryBytes: Int) {
        self.depth = depth
        self.memoryBytes = memoryBytes
    }

    /// What every decode uses: depth 64, 64 MiB decoded.
    public static let standard = WireLimits(depth: 64, memoryBytes: 64 << 20)
}
