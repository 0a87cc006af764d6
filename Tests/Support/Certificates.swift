internal import Foundation

/// Certificates made by the openssl program in a folder of their own, which goes when they do.
public final class Certificates: Sendable {
    private let folder: String

    /// A certificate and its key.
    public struct Pair: Sendable {
        /// The file of the certificate.
        public var certificate: String
        /// The file of its private key.
        public var key: String
    }

    /// Makes the folder and two CAs, "ca" and "other".
    public init() async throws {
        folder = "/tmp/trellis-tls-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["ca", "other"] {
            try await Self.openssl([
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=Trellis test \(name)", "-keyout", path("\(name).key"), "-out", path("\(name).pem"),
                "-addext", "keyUsage=critical,keyCertSign",
            ])
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The path of a file in the folder.
    public func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// The file of the CA that certificates are issued by unless another is named.
    public var ca: String { path("ca.pem") }

    /// Makes a certificate.
    ///
    /// - Parameters:
    ///   - alternatives: subjectAltName, such as "DNS:localhost,IP:127.0.0.1".
    ///   - days: how long it is valid; negative when its time is over.
    public func make(
        _ name: String,
        _ alternatives: String,
        issuer: String = "ca",
        days: Int = 1,
        use: String = "serverAuth,clientAuth"
    ) async throws -> Pair {
        let pair = Pair(certificate: path("\(name).pem"), key: path("\(name).key"))
        try "subjectAltName=\(alternatives)\nextendedKeyUsage=\(use)\n".write(
            toFile: path("\(name).ext"),
            atomically: true,
            encoding: .utf8
        )
        try await Self.openssl([
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", pair.key,
            "-subj", "/O=Trellis/CN=\(name)", "-out", path("\(name).csr"),
        ])
        try await Self.openssl([
            "x509", "-req", "-in", path("\(name).csr"), "-CA", path("\(issuer).pem"), "-CAkey", path("\(issuer).key"),
            "-CAcreateserial", "-days", "\(days)", "-extfile", path("\(name).ext"), "-out", pair.certificate,
        ])
        return pair
    }

    /// Runs the openssl program and gives what it says; a failure is an error with what it said. Waits on a thread of its
    /// own: those of tasks are few, and others need them.
    @discardableResult
    public static func openssl(_ words: [String], mayFail: Bool = false) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try run(words, mayFail: mayFail) }) }
        }
    }

    private static func run(_ words: [String], mayFail: Bool) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + words
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        if process.terminationStatus != 0, !mayFail {
            throw Failed(text: "openssl \(words.joined(separator: " ")): \(text)")
        }
        return text
    }

    struct Failed: Error {
        let text: String
    }
}
