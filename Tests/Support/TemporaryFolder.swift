internal import Glibc

/// Lends a new folder, open to other users to look into, and removes it with all that is in it when `body` succeeds.
///
/// - Throws: what `body` throws; the folder is kept then, and its path printed.
public func withTemporaryFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let folder = "/tmp/trellis-test-\(getpid())-\(counter.next())"
    remove(folder)
    guard mkdir(folder, 0o755) == 0 else { throw FolderError(path: folder, code: errno) }
    let value: Value
    do {
        value = try await body(folder)
    } catch {
        print("the test's folder is kept: \(folder)")
        throw error
    }
    remove(folder)
    return value
}

/// A folder that could not be made.
private struct FolderError: Error {
    var path: String
    var code: Int32
}

private func remove(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR, let folder = opendir(path) else {
        unlink(path)
        return
    }
    while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { remove("\(path)/\(name)") }
    }
    closedir(folder)
    rmdir(path)
}
