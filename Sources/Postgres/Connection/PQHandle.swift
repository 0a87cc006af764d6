internal import CPostgres
internal import Glibc

/// A connection of libpq's on its way between threads: whoever holds it is its only user. Hence @unchecked.
struct PQHandle: @unchecked Sendable {
    let pointer: OpaquePointer?

    /// Makes the connection's object and looks its host up. Blocks when that takes a name server.
    static func start(_ address: DatabaseAddress) -> PQHandle {
        var keywords = address.keywords
        keywords["client_encoding"] = "UTF8"
        let names = keywords.keys.sorted()
        var cNames: [UnsafePointer<CChar>?] = names.map { UnsafePointer(strdup($0)) }
        var cValues: [UnsafePointer<CChar>?] = names.map { UnsafePointer(strdup(keywords[$0] ?? "")) }
        cNames.append(nil)
        cValues.append(nil)
        defer {
            for pointer in cNames + cValues { free(UnsafeMutablePointer(mutating: pointer)) }
        }
        return PQHandle(pointer: PQconnectStartParams(cNames, cValues, 0))
    }
}
