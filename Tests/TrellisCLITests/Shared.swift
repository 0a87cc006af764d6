import Files
import Terminal

/// The data that no one here wrote, where it is: beside the clone, or where TRELLIS_SHARED says.
enum Shared {
    static let data = (Terminal.environment("TRELLIS_SHARED") ?? "\(root)/../shared") + "/data"
    static let exists = Files.isFolder(data)
    static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
}
