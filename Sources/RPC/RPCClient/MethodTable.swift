/// The entries of a service config, found by a call's path. Immutable.
struct MethodTable: Sendable {
    private var entries: [String: MethodConfig] = [:]
    private let fallback: MethodConfig
    private static let nothing = MethodConfig(names: [])

    init(_ config: ServiceConfig) {
        var fallback = Self.nothing
        for method in config.methods {
            for name in method.names {
                if name == .every {
                    fallback = method
                } else {
                    entries["/\(name.service)/\(name.method)"] = method
                }
            }
        }
        self.fallback = fallback
    }

    /// What is said about "/package.Service/Method": its own entry, its service's, or the default one.
    subscript(path: String) -> MethodConfig {
        if entries.isEmpty { return fallback }
        if let own = entries[path] { return own }
        guard let slash = path.lastIndex(of: "/") else { return fallback }
        return entries[String(path[...slash])] ?? fallback
    }
}
