internal import Glibc
public import Protobuf
public import RPC

/// A method that a server offers.
public final class Route: Sendable {
    /// The shapes of a method.
    public enum Kind: Sendable {
        /// One request, one response.
        case unary
        /// One request, any number of responses.
        case serverStreaming
        /// Any number of requests, one response.
        case clientStreaming
        /// Any number of both.
        case bidirectional

        var hasRequestStream: Bool { self == .clientStreaming || self == .bidirectional }
    }

    /// The path, such as "/trellis.tenancy.v1.TenancyService/GetSite".
    public let path: String
    /// The full name of the service.
    public let service: String
    /// The name of the method.
    public let method: String
    /// The method's shape.
    public let kind: Kind
    /// What was said about the method when it was registered: its policy.
    public let attributes: (any Sendable)?
    /// The position in ``Router/routes``, for tables beside it.
    public let index: Int

    let bytes: [UInt8]
    let run: @Sendable (ServerContext) async -> Void

    init(
        _ path: String,
        _ kind: Kind,
        _ attributes: (any Sendable)?,
        _ index: Int,
        _ run: @escaping @Sendable (ServerContext) async -> Void
    ) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        precondition(parts.count == 3 && parts[0].isEmpty, "a path is /package.Service/Method, not \(path)")
        self.path = path
        service = String(parts[1])
        method = String(parts[2])
        self.kind = kind
        self.attributes = attributes
        self.index = index
        bytes = Array(path.utf8)
        self.run = run
    }
}

/// The methods of a server, found by path. Filled before the server starts, then only read.
public final class Router: @unchecked Sendable {
    // @unchecked: immutable once `freeze` was called, which the server does before it starts.

    /// The methods, in the order in which they were registered.
    public private(set) var routes: [Route] = []
    private var table = RouteTable([])
    private var isFrozen = false

    /// A router without methods.
    public init() {}

    /// The full names of the services, in order.
    public var services: [String] { Set(routes.map(\.service)).sorted() }

    /// Registers a method with one request and one response.
    ///
    /// - Parameters:
    ///   - path: "/package.Service/Method"; a path can be registered once.
    ///   - attributes: what interceptors should know of the method.
    @inlinable public func unary<Request: Message, Response: Message>(
        _ path: String,
        _ attributes: (any Sendable)? = nil,
        _ handler: @escaping @Sendable (Request, ServerContext) async throws -> Response
    ) {
        // Inlinable, so that the closure is made for the types at hand and decodes without looking them up.
        add(path, .unary, attributes) { context in
            do {
                let passed = try context.interceptAtOnce()
                if passed < context.interceptorCount { try await context.intercept(after: passed) }
                let request = try context.decodeRequest(Request.self)
                context.finish(try await handler(request, context).serialized(prefix: MessageFraming.prefixBytes))
            } catch {
                context.fail(error)
            }
        }
    }

    /// Registers a method with one request and a stream of responses, which ends when the handler returns.
    @inlinable public func serverStreaming<Request: Message, Response: Message>(
        _ path: String,
        _ attributes: (any Sendable)? = nil,
        _ handler: @escaping @Sendable (Request, ResponseWriter<Response>, ServerContext) async throws -> Void
    ) {
        add(path, .serverStreaming, attributes) { context in
            do {
                let passed = try context.interceptAtOnce()
                if passed < context.interceptorCount { try await context.intercept(after: passed) }
                let request = try context.decodeRequest(Request.self)
                try await handler(request, ResponseWriter(context), context)
                context.finish()
            } catch {
                context.fail(error)
            }
        }
    }

    /// Registers a method with a stream of requests and one response.
    @inlinable public func clientStreaming<Request: Message, Response: Message>(
        _ path: String,
        _ attributes: (any Sendable)? = nil,
        _ handler: @escaping @Sendable (RequestStream<Request>, ServerContext) async throws -> Response
    ) {
        add(path, .clientStreaming, attributes) { context in
            do {
                let passed = try context.interceptAtOnce()
                if passed < context.interceptorCount { try await context.intercept(after: passed) }
                let response = try await handler(RequestStream(context), context)
                context.finish(response.serialized(prefix: MessageFraming.prefixBytes))
            } catch {
                context.fail(error)
            }
        }
    }

    /// Registers a method with a stream of requests and a stream of responses, which ends when the handler returns.
    @inlinable public func bidirectional<Request: Message, Response: Message>(
        _ path: String,
        _ attributes: (any Sendable)? = nil,
        _ handler:
            @escaping @Sendable (RequestStream<Request>, ResponseWriter<Response>, ServerContext) async throws
            -> Void
    ) {
        add(path, .bidirectional, attributes) { context in
            do {
                let passed = try context.interceptAtOnce()
                if passed < context.interceptorCount { try await context.intercept(after: passed) }
                try await handler(RequestStream(context), ResponseWriter(context), context)
                context.finish()
            } catch {
                context.fail(error)
            }
        }
    }

    @usableFromInline func add(
        _ path: String,
        _ kind: Route.Kind,
        _ attributes: (any Sendable)?,
        _ run: @escaping @Sendable (ServerContext) async -> Void
    ) {
        precondition(!isFrozen, "\(path) is registered after the server has started")
        precondition(!routes.contains { $0.path == path }, "\(path) is registered twice")
        routes.append(Route(path, kind, attributes, routes.count, run))
    }

    /// Builds the look-up table; no method can be registered afterwards.
    func freeze() {
        guard !isFrozen else { return }
        isFrozen = true
        table = RouteTable(routes)
    }

    /// The method of a path; it lives as long as the router.
    func find(_ path: UnsafeRawBufferPointer) -> Unmanaged<Route>? {
        table.find(path)
    }
}

/// Finds routes by the bytes of their paths: open addressing, at most a quarter full, one comparison a hit.
private struct RouteTable: ~Copyable {
    /// The routes are the router's, whose arrays would be counted at each look.
    private let slots: UnsafeMutablePointer<Unmanaged<Route>?>
    private let mask: Int

    init(_ routes: [Route]) {
        var size = 16
        while size < routes.count * 4 { size *= 2 }
        slots = .allocate(capacity: size)
        slots.initialize(repeating: nil, count: size)
        mask = size - 1
        for route in routes {
            var slot = route.bytes.withUnsafeBytes(Self.hash) & mask
            while slots[slot] != nil { slot = (slot + 1) & mask }
            slots[slot] = .passUnretained(route)
        }
    }

    deinit { slots.deallocate() }

    func find(_ path: UnsafeRawBufferPointer) -> Unmanaged<Route>? {
        guard let start = path.baseAddress else { return nil }
        var slot = Self.hash(path) & mask
        while let reference = slots[slot] {
            let isEqual = reference._withUnsafeGuaranteedRef { route in
                route.bytes.count == path.count && memcmp(route.bytes, start, path.count) == 0
            }
            if isEqual { return reference }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Eight bytes at a time; the last eight may overlap. The paths are ours, so nobody can choose them to collide; a
    /// stranger's path that does meets at most the routes that are there.
    private static func hash(_ bytes: UnsafeRawBufferPointer) -> Int {
        var hash: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(truncatingIfNeeded: bytes.count)
        var offset = 0
        while offset + 8 <= bytes.count {
            hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash >> 32
            offset += 8
        }
        if offset > 0 {
            hash ^= bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self)
        } else {
            for byte in bytes { hash = hash << 8 ^ UInt64(byte) }
        }
        hash &*= 0xff51_afd7_ed55_8ccd
        hash ^= hash >> 29
        return Int(truncatingIfNeeded: hash & 0x7fff_ffff)
    }
}
