/// How much of personal data a caller may see.
public struct PersonalView: Sendable {
    /// What opens it.
    public let keyring: Keyring
    /// Whether it is shown as it is; else masked.
    public let isWhole: Bool
    /// The permission that shows it as it is.
    public let permission: String

    /// What a caller sees who holds the permission that shows personal data, or does not.
    public init(_ keyring: Keyring, isWhole: Bool, permission: String) {
        self.keyring = keyring
        self.isWhole = isWhole
        self.permission = permission
    }

    /// Everything, as who has just written it knows it.
    public static func whole(_ keyring: Keyring) -> PersonalView {
        PersonalView(keyring, isWhole: true, permission: "")
    }
}

extension String {
    /// The text with all but its first character hidden: `A…`. It does not tell how long it was.
    public var masked: String { first.map { "\($0)…" } ?? "" }

    /// An e-mail address of which its owner recognizes the beginning and the domain: `a…@example.com`.
    public var maskedEmail: String {
        guard let at = lastIndex(of: "@") else { return masked }
        return String(self[..<at]).masked + self[at...]
    }
}
