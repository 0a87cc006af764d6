/// The root key of personal data in tests: the same for all servers of a database.
public let testEncryptionKey = [UInt8](repeating: 7, count: 32)
