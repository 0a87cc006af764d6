// swift-tools-version: 6.2
import PackageDescription

/// The settings every Swift target shares: Swift 6 isolation checks, explicit existentials and imports that do not
/// leak.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    // Checked in debug builds and so by every test; docs/decisions/0002-release-build.md.
    // Across modules, so that small functions of one are inlined in another (the same decision).
    .unsafeFlags(["-enforce-exclusivity=unchecked", "-cross-module-optimization"], .when(configuration: .release)),
]

/// How a program is linked for release: with Swift's libraries inside, so that it runs where no Swift is installed and
/// a retain is a call and not a jump through a table (docs/decisions/0002-release-build.md).
let programLinking: [LinkerSetting] = [.unsafeFlags(["-static-stdlib"], .when(configuration: .release))]

/// A Swift target with the shared settings.
func library(
    _ name: String,
    _ path: String? = nil,
    _ dependencies: [Target.Dependency],
    exclude: [String] = [],
    resources: [Resource] = []
) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        path: path ?? "Sources/\(name)",
        exclude: exclude,
        resources: resources,
        swiftSettings: settings
    )
}

/// An area of the domain core: it sees the shared vocabulary and the database, never another area.
func area(_ name: String) -> Target {
    library(
        name,
        "Sources/Core/\(name)",
        ["Domain", "Postgres", "Protobuf", "TrellisAPI", "Primitives"],
        exclude: ["SQL"]
    )
}

/// The areas of the domain core.
let areas: [Target.Dependency] = [
    "Tenancy", "EndUsers", "Privacy", "Credentials", "Audit", "Operations", "Reference", "Search",
]

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies,
        path: "Tests/\(name)",
        resources: resources,
        swiftSettings: settings
    )
}

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")

let package = Package(
    name: "trellis",
    products: [
        .executable(name: "trellisd", targets: ["trellisd"]),
        .executable(name: "trellis", targets: ["trellis"]),
        .executable(name: "trellis-load", targets: ["trellis-load"]),
        .library(name: "TrellisClient", targets: ["TrellisClient", "TLS"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2")
    ],
    targets: [
        // The C libraries, a module map each; exactly one Swift target imports each of them.
        .systemLibrary(name: "CUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),

        // What everything may use: UUIDv7, times, base encodings, hashes and secret boxes. No I/O.
        library("Primitives", nil, ["CSodium"]),
        // Flags, help, tables, progress: what the programs share on a command line.
        library("Terminal", nil, []),
        // Whole files without Foundation, for the programs.
        library("Files", nil, []),
        // One libuv loop = one thread = one task executor.
        library("EventLoop", nil, ["CUV"]),

        // HTTP/2 and gRPC.
        library("HTTP2", nil, ["CNghttp2", "EventLoop"]),
        library("RPC", "Sources/RPC/RPC", ["Primitives", "EventLoop", "HTTP2", "Protobuf", "CZlib"]),
        // TLS as a transport of HTTP2; only programs know of it.
        library("TLS", nil, ["COpenSSL", "HTTP2", "EventLoop"]),
        library("RPCServer", "Sources/RPC/RPCServer", ["RPC", "HTTP2", "EventLoop", "Protobuf", "Primitives"]),
        library("RPCClient", "Sources/RPC/RPCClient", ["RPC", "HTTP2", "EventLoop", "Protobuf", "Primitives"]),

        // Messages: the protobuf-c runtime made safe, then the generated vocabulary.
        library("Protobuf", nil, ["CProtobufC", "Primitives"]),
        .target(name: "CTrellisAPI", dependencies: ["CProtobufC"], path: "Sources/CTrellisAPI"),
        library("TrellisAPI", nil, ["CTrellisAPI", "Protobuf", "Primitives"]),
        library(
            "RPCServices",
            "Sources/RPC/RPCServices",
            ["RPCServer", "RPC", "Protobuf", "TrellisAPI", "Primitives"]
        ),

        // PostgreSQL on the loop.
        library("Postgres", nil, ["CPostgres", "EventLoop", "Primitives", log]),

        // A PostgreSQL of our own, for who gives no database URL.
        library("PrivateCluster", nil, ["Postgres", "Primitives", log]),

        // The domain core.
        library(
            "Domain",
            "Sources/Core/Domain",
            ["Postgres", "EventLoop", "Protobuf", "TrellisAPI", "Primitives"],
            exclude: ["SQL"]
        ),
        .target(
            name: "Schema",
            dependencies: ["Postgres", "EventLoop", "Primitives", log],
            path: "Sources/Core/Schema",
            exclude: ["Migrations", "Bootstrap"],
            swiftSettings: settings,
            plugins: ["EmbedMigrations"]
        ),
        .plugin(name: "EmbedMigrations", capability: .buildTool()),
        area("Tenancy"),
        area("EndUsers"),
        area("Privacy"),
        // How people sign in: an area that hashes passwords off the loop.
        library(
            "Credentials",
            "Sources/Core/Credentials",
            ["Domain", "Postgres", "Protobuf", "TrellisAPI", "EventLoop", "Primitives"],
            exclude: ["SQL"]
        ),
        area("Reference"),
        area("Search"),
        area("Audit"),
        area("Operations"),

        // The server.
        library(
            "TrellisServer",
            nil,
            [
                "Domain", "Schema", "RPC", "RPCServer", "RPCServices", "HTTP2", "Postgres", "Protobuf", "TrellisAPI",
                "EventLoop", "Primitives", log,
            ] + areas
        ),
        .executableTarget(
            name: "trellisd",
            dependencies: [
                "TrellisServer", "Credentials", "TLS", "Schema", "PrivateCluster", "RPCServer", "HTTP2", "Postgres",
                "EventLoop", "Primitives", "Protobuf", "Files", "Terminal", log,
            ],
            swiftSettings: settings,
            linkerSettings: programLinking
        ),

        // The echo server that scripts/bench compares with others; not shipped.
        .executableTarget(
            name: "trellis-echo",
            dependencies: ["RPCServer", "TLS", "RPC", "Protobuf", "TrellisAPI", "EventLoop", log],
            path: "Benchmarks/Echo",
            swiftSettings: settings,
            linkerSettings: programLinking
        ),

        // The clients, which link no server code.
        library(
            "TrellisClient",
            "clients/swift",
            ["TLS", "RPC", "RPCClient", "EventLoop", "Protobuf", "TrellisAPI", "Primitives"],
            exclude: ["Examples"]
        ),
        .executableTarget(
            name: "trellis-example",
            dependencies: ["TrellisClient", "RPCClient", "TrellisAPI"],
            path: "clients/swift/Examples",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "trellis",
            dependencies: [
                "TrellisClient", "SecurityFlags", "TLS", "RPC", "RPCClient", "EventLoop", "Protobuf", "TrellisAPI",
                "Primitives", "Files", "Terminal",
            ],
            path: "clients/cli",
            swiftSettings: settings,
            linkerSettings: programLinking
        ),

        // How a program is told to secure its connection to a server.
        library("SecurityFlags", nil, ["TLS", "Files", "Terminal"]),

        // The load generator: any gRPC server's RPCs, in closed and open loop.
        library(
            "LoadTesting",
            nil,
            [
                "RPC", "RPCClient", "HTTP2", "TLS", "SecurityFlags", "EventLoop", "Protobuf", "TrellisAPI",
                "Primitives",
                "Files", "Terminal",
            ]
        ),
        .executableTarget(
            name: "trellis-load",
            dependencies: ["LoadTesting"],
            swiftSettings: settings,
            linkerSettings: programLinking
        ),

        // Tests mirror the sources. Those that need PostgreSQL get a real one.
        library(
            "TestSupport",
            "Tests/Support",
            ["PrivateCluster", "Schema", "Postgres", "EventLoop", "Primitives", log]
        ),
        tests("PostgresTests", ["Postgres", "PrivateCluster", "TestSupport", "EventLoop", "Primitives", log]),
        tests("PrivateClusterTests", ["PrivateCluster", "TestSupport", "Postgres", "EventLoop", log]),
        tests("SchemaTests", ["Schema", "PrivateCluster", "TestSupport", "Postgres", "EventLoop", "Primitives", log]),
        // A small API with one of everything, generated like our own, and queries of a small schema: for tests only.
        .target(
            name: "CFixtureAPI",
            dependencies: ["CProtobufC", "CTrellisAPI"],
            path: "Tests/Fixture/Sources/CFixtureAPI"
        ),
        .target(
            name: "FixtureAPI",
            dependencies: [
                "CFixtureAPI", "CTrellisAPI", "TrellisAPI", "TrellisClient", "Protobuf", "RPC", "RPCServer",
                "RPCClient",
                "Postgres", "Primitives",
            ],
            path: "Tests/Fixture/Sources",
            exclude: ["CFixtureAPI", "Core/Sample/SQL", "Core/Schema"],
            swiftSettings: settings
        ),
        // gRPC's interoperability tests: its messages, a server and a client that run every case; not shipped.
        .target(name: "CInteropAPI", dependencies: ["CProtobufC"], path: "Tests/Interop/Sources/CInteropAPI"),
        library("InteropAPI", "Tests/Interop/Sources/InteropAPI", ["CInteropAPI", "Protobuf"]),
        .executableTarget(
            name: "interop-server",
            dependencies: [
                "InteropAPI", "RPCServer", "RPC", "HTTP2", "TLS", "EventLoop", "Protobuf", "Primitives", "Terminal",
            ],
            path: "Tests/Interop/Server",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "interop-client",
            dependencies: ["InteropAPI", "RPCClient", "RPC", "TLS", "EventLoop", "Protobuf", "Terminal"],
            path: "Tests/Interop/Client",
            swiftSettings: settings
        ),

        tests("PrimitivesTests", ["Primitives"]),
        tests("ProtobufTests", ["Protobuf", "FixtureAPI", "TrellisAPI", "Primitives"]),
        tests("EventLoopTests", ["EventLoop"]),
        tests("TerminalTests", ["Terminal"]),
        tests("FilesTests", ["Files"]),
        tests("TrellisdTests", ["trellisd", "TLS", "RPCServer", "HTTP2", "Files", "Terminal", log]),
        tests(
            "TrellisCLITests",
            [
                "trellis", "SecurityFlags", "TLS", "TrellisClient", "TrellisAPI", "RPC", "Protobuf", "Primitives",
                "Files", "Terminal",
            ]
        ),
        tests("HTTP2Tests", ["HTTP2", "EventLoop", "TestSupport"]),
        tests("TLSTests", ["TLS", "HTTP2", "RPC", "RPCServer", "RPCClient", "Protobuf", "EventLoop", "TestSupport"]),
        tests(
            "RPCTests",
            [
                "RPCServer", "RPCClient", "RPCServices", "RPC", "HTTP2", "Protobuf", "TrellisAPI", "EventLoop",
                "Files",
            ]
        ),
        tests(
            "TrellisLoadTests",
            [
                "LoadTesting", "RPCServer", "RPCServices", "RPCClient", "RPC", "Protobuf", "TrellisAPI", "EventLoop",
                "Files", "Terminal",
            ]
        ),
        tests("TidyTests", []),
        tests("ReferenceTests", ["Reference", "Domain", "Protobuf", "TrellisAPI", "Primitives"]),
        tests("SearchTests", ["Search", "Domain", "TrellisAPI", "Primitives"]),
        tests("DomainTests", ["Domain", "Tenancy", "Protobuf", "TrellisAPI", "Primitives"]),
        tests("AuditTests", ["Audit", "Domain", "Protobuf", "TrellisAPI", "Primitives"]),
        tests("TenancyTests", ["Tenancy", "Domain", "Postgres", "TrellisAPI", "Primitives"]),
        tests(
            "CredentialsTests",
            ["Credentials", "Domain", "EventLoop", "Protobuf", "TestSupport", "TrellisAPI", "Primitives"]
        ),
        tests(
            "TrellisClientTests",
            [
                "TrellisClient", "TrellisServer", "TrellisAPI", "TestSupport", "RPC", "RPCClient", "EventLoop", "Files",
                "Protobuf", "trellis-example", log,
            ]
        ),
        tests(
            "TrellisServerTests",
            [
                "TrellisServer", "Domain", "Postgres", "RPC", "RPCServer", "Protobuf", "TrellisAPI", "TestSupport",
                "RPCClient", "EventLoop", "Primitives", "TLS", "HTTP2", "trellis", log,
            ] + areas
        ),
    ]
)

// Fuzz targets have no main of their own: libFuzzer's takes them (scripts/fuzz).
if Context.environment["TRELLIS_FUZZ"] != nil {
    func fuzz(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
        .executableTarget(
            name: "\(name)Fuzz",
            dependencies: dependencies,
            path: "Tests/Fuzz/\(name)",
            exclude: ["Seeds"],
            swiftSettings: settings
        )
    }
    let server: [Target.Dependency] = [
        "FuzzSupport", "RPCServer", "RPCServices", "RPC", "HTTP2", "Protobuf", "TrellisAPI", "EventLoop",
    ]
    package.targets += [
        library("FuzzSupport", "Tests/Fuzz/Support", ["HTTP2"]),
        fuzz("Wire", ["Protobuf", "TrellisAPI"]),
        fuzz("Server", server),
        fuzz("Codec", server + ["RPCClient"]),
    ]
}

// Under a sanitizer (scripts/sanitize) only what these tests need is built: the layers below the domain, whose code is
// unsafe where it talks to C, and which run on threads of their own.
if Context.environment["TRELLIS_SANITIZE"] != nil {
    let tests = ["EventLoopTests", "HTTP2Tests", "ProtobufTests", "RPCTests", "TLSTests", "PostgresTests"]
    var needed: Set<String> = ["EmbedMigrations"]
    func need(_ name: String) {
        guard needed.insert(name).inserted else { return }
        for target in package.targets where target.name == name {
            for case .byNameItem(let dependency, _) in target.dependencies { need(dependency) }
        }
    }
    for test in tests { need(test) }
    package.targets.removeAll { !needed.contains($0.name) }
    package.products = []
}
