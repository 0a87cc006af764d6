/// Which Trellis this is.
public enum Release {
    /// The version of the server and of its clients, as MAJOR.MINOR.PATCH (semver.org).
    public static let version = "0.1.0"
}
