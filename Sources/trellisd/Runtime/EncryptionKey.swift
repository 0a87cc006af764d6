import Files
import Primitives
import Terminal

/// The file with the key that personal data is kept under.
enum EncryptionKey {
    static let fileName = "encryption.key"
    static let byteCount = 32

    /// Reads the key: from `file`, or from the home folder, where it is made when there is none.
    static func load(_ file: String?, _ home: HomeFolder) throws(HomeError) -> [UInt8] {
        if let file {
            let content: [UInt8]
            do { content = try Files.read(file) } catch {
                throw HomeError(
                    description:
                        "encryption-key-file: \(error): copy the file of the server that made the database, or "
                        + "make one with: openssl rand -hex 32 > '\(file)'"
                )
            }
            return try parse(content, file)
        }
        if let content = try home.read(fileName) { return try parse(content, "\(home.path)/\(fileName)") }
        let fresh = SecureRandom.bytes(byteCount)
        try home.write(fileName, Hex.encode(fresh) + "\n")
        return fresh
    }

    static func parse(_ content: [UInt8], _ file: String) throws(HomeError) -> [UInt8] {
        let text = String(decoding: content, as: UTF8.self).trimming
        guard let key = Hex.decode(text), key.count == byteCount else {
            throw HomeError(
                description:
                    "'\(file)' holds no key of \(byteCount * 2) hexadecimal digits: restore it; without it personal "
                    + "data cannot be read"
            )
        }
        return key
    }
}

extension String {
    /// The text without white space around it.
    fileprivate var trimming: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
