import Foundation
import Testing

/// Style that is worth having is a test: a check that only prints is not read.
@Suite("Tidy")
struct TidyTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A hand-written source file: where it is below the root, and its lines.
    struct Source {
        let path: String
        let lines: [Substring]

        /// The modules that it imports.
        var imports: [String] {
            lines.compactMap { line in
                let words = line.split(separator: " ")
                guard let index = words.firstIndex(of: "import"), index <= 2, index + 1 < words.count,
                    words[..<index].allSatisfy({ $0.hasPrefix("@") || ["public", "internal", "package"].contains($0) })
                else { return nil }
                // `import struct X.Y` names the module after the kind.
                let kinds: Set<Substring> = ["struct", "class", "enum", "func", "protocol", "var", "typealias"]
                let name = kinds.contains(words[index + 1]) ? words[index + 2] : words[index + 1]
                return String(name.split(separator: ".")[0])
            }
        }

        /// The folder of its target, such as `Sources/Core/Tenancy`.
        var target: String {
            let parts = path.split(separator: "/")
            let isDeep = parts.count > 2 && (parts[1] == "Core" || parts[1] == "RPC")
            return parts.prefix(isDeep ? 3 : 2).joined(separator: "/")
        }
    }

    static let sources: [Source] = {
        var found: [Source] = []
        for folder in ["Sources", "clients", "Tests", "Benchmarks"] {
            let base = root.appending(path: folder)
            let files = FileManager.default.enumerator(at: base, includingPropertiesForKeys: nil)
            while let file = files?.nextObject() as? URL {
                let path = String(file.path(percentEncoded: false).dropFirst(root.path(percentEncoded: false).count))
                guard path.hasSuffix(".swift"), !path.contains("/Generated/"),
                    let text = try? String(contentsOf: file, encoding: .utf8), !text.hasPrefix("// Generated")
                else { continue }
                found.append(Source(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false)))
            }
        }
        return found
    }()

    @Test("the sources are found")
    func found() {
        #expect(Self.sources.count > 50)
        #expect(Self.sources.contains { $0.path == "Sources/EventLoop/EventLoop.swift" })
    }

    @Test("each C library is imported by one target")
    func oneImporter() {
        for module in ["CUV", "CNghttp2", "CProtobufC", "CPostgres", "CSodium", "CZlib", "COpenSSL"] {
            let importers = Set(Self.sources.filter { $0.imports.contains(module) }.map(\.target))
            #expect(importers.count <= (module == "CProtobufC" ? 2 : 1), "\(module) is imported by \(importers)")
        }
    }

    @Test("imports point down: an area imports no other, and nothing below the server knows it")
    func layers() {
        let areas = Set(
            Self.sources.compactMap { source in
                let parts = source.path.split(separator: "/")
                guard let core = parts.firstIndex(of: "Core"), core + 1 < parts.count else { return nil }
                return String(parts[core + 1])
            }
        )
        .subtracting(["Domain", "Schema"])
        let server: Set = ["TrellisServer", "RPCServer", "RPCServices", "Schema"]
        for source in Self.sources {
            let imports = Set(source.imports)
            if source.target.hasPrefix("Sources/Core/") {
                let own = String(source.target.split(separator: "/")[2])
                #expect(imports.isDisjoint(with: areas.subtracting([own])), "\(source.path) imports another area")
                #expect(
                    imports.isDisjoint(with: ["RPC", "RPCServer", "RPCClient", "HTTP2", "TrellisServer"]),
                    "\(source.path): the core knows nothing of RPC"
                )
            }
            if source.path.hasPrefix("clients/") {
                #expect(
                    imports.isDisjoint(with: areas.union(server).union(["Postgres", "Domain"])),
                    "\(source.path): the clients link no server code"
                )
            }
            if source.target.hasPrefix("Sources/RPC") || source.target == "Sources/HTTP2" {
                #expect(!imports.contains("TLS"), "\(source.path): TLS is put in by the programs")
                #expect(
                    imports.isDisjoint(with: areas.union(["Domain", "Postgres", "Schema", "TrellisServer"])),
                    "\(source.path): RPC knows nothing of tenants"
                )
            }
            if source.target == "Sources/Postgres" {
                #expect(
                    imports.isDisjoint(with: areas.union(["RPC", "RPCServer", "HTTP2", "Protobuf", "TrellisAPI"])),
                    "\(source.path): Postgres knows nothing of RPC"
                )
            }
        }
    }

    @Test("what the server links does without Foundation")
    func noFoundation() {
        for source in Self.sources where source.path.hasPrefix("Sources/") && source.target != "Sources/trellisd" {
            #expect(!source.imports.contains("Foundation"), "\(source.path) imports Foundation")
        }
    }

    @Test("a file is one room: at most 600 lines; no leftovers")
    func files() {
        for source in Self.sources where source.path != "Tests/TidyTests/TidyTests.swift" {
            #expect(source.lines.count <= 601, "\(source.path) has \(source.lines.count) lines")
            for (index, line) in source.lines.enumerated() {
                for leftover in ["TODO", "FIXME", "XXX:", "HACK", "fatalError(", "try!", "print(\"DEBUG"] {
                    #expect(!line.contains(leftover), "\(source.path):\(index + 1) has \(leftover)")
                }
            }
        }
    }

    @Test("an @unchecked Sendable says why")
    func unchecked() {
        for source in Self.sources where !source.path.hasPrefix("Tests/") {
            for (index, line) in source.lines.enumerated() where line.contains("@unchecked Sendable") {
                let around = source.lines[max(0, index - 16)...min(index + 16, source.lines.count - 1)]
                let words = ["onfined", "lock", "Mutex", "immutable", "thread", "@unchecked:"]
                #expect(
                    around.contains { text in text.contains("//") && words.contains { text.contains($0) } },
                    "\(source.path):\(index + 1): an @unchecked Sendable without its reason beside it: confined, locked or immutable"
                )
            }
        }
    }
}
