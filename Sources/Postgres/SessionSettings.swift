/// The settings under which a batch or a transaction runs, and until when.
///
/// Each is set with `set_config(name, value, true)`: it holds for that transaction and is gone with it, so nothing of one
/// request can be seen by the next on the same connection.
public struct SessionSettings: Sendable {
    /// One setting.
    public struct Setting: Sendable, Equatable {
        /// Such as `trellis.tenant` or `role`.
        public var name: String
        /// Its value as text.
        public var value: String

        /// Makes a setting.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The most settings of one batch.
    public static let maximumCount = 16

    /// The settings in the order in which they are made.
    public private(set) var values: [Setting]

    /// The time by which the caller wants an answer, in nanoseconds of `EventLoop.now`; nil for none. Waiting for a
    /// connection ends there, and a transaction's `statement_timeout` is set to what is left.
    public var deadline: UInt64?

    /// Makes settings; none when nothing is given.
    public init(_ values: [Setting] = [], deadline: UInt64? = nil) {
        precondition(values.count <= Self.maximumCount, "at most \(Self.maximumCount) settings")
        self.values = values
        self.deadline = deadline
    }

    /// No settings and no deadline.
    public static let none = SessionSettings()

    /// Adds a setting.
    public mutating func set(_ name: String, _ value: String) {
        precondition(values.count < Self.maximumCount, "at most \(Self.maximumCount) settings")
        values.append(Setting(name: name, value: value))
    }
}
