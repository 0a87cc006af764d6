internal import Glibc

/// Where PostgreSQL's programs of one major version are.
public struct ClusterPrograms: Sendable, Equatable {
    /// The major version, such as 18.
    public let major: Int
    /// The folder with `postgres` and `initdb`.
    public let folder: String

    /// The versions that are looked for, the first found wins.
    static let majors = [18, 16]

    /// Where scripts/setup puts them, as root and as a user.
    private static var roots: [String] {
        var roots: [String] = []
        // For whoever keeps them elsewhere; the folder holds 18/ and 16/.
        if let given = getenv("TRELLIS_POSTGRES_PROGRAMS") { roots.append(String(cString: given)) }
        roots.append("/opt/trellis/postgres")
        if let home = getenv("HOME") { roots.append(String(cString: home) + "/.local/lib/trellis/postgres") }
        return roots
    }

    /// Finds the programs of one major version, or of the newest that is there.
    ///
    /// - Throws: ``PrivateClusterError/programsMissing(major:searched:)``.
    public static func find(major: Int? = nil) throws(PrivateClusterError) -> ClusterPrograms {
        for root in roots {
            for candidate in major.map({ [$0] }) ?? majors {
                let folder = "\(root)/\(candidate)/bin"
                if access("\(folder)/postgres", X_OK) == 0 { return ClusterPrograms(major: candidate, folder: folder) }
            }
        }
        throw .programsMissing(major: major, searched: roots)
    }

    var postgres: String { "\(folder)/postgres" }
    var initdb: String { "\(folder)/initdb" }
}
