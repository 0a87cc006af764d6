/// Which Trellis this is.
public enum ProgramVersion {
    /// The version of the server and of its clients, as MAJOR.MINOR.PATCH (semver.org).
    public static let current = "0.1.0"
}
