public import Primitives
public import Protobuf

/// A request for a page of a list.
public protocol PagedRequest: Message {
    /// The greatest number of rows to return; 0 for the default.
    var pageSize: Int32 { get set }
    /// The next_page_token of the page before; empty for the first.
    var pageToken: String { get set }
}

/// One page of a list: how many rows to read, after which, and the token of the next.
///
/// A token is the position of the last row, sealed for the tenant, the method, the other arguments and the order: it
/// can be neither read, nor changed, nor used with another call, and it grants nothing, since the next page is read
/// under the caller's own scope. Read one row more than ``size`` (``count``), then call ``cut(_:position:)``.
public struct Page: Sendable {
    /// Rows on a page when the request does not say.
    public static let defaultSize = 50
    /// Rows on a page at most.
    public static let maximumSize = 1000

    /// Rows on this page at most.
    public let size: Int
    /// Where the page before ended; nil for the first page.
    public let position: [UInt8]?

    private let key: SealingKey
    private let context: [UInt8]

    /// Reads the paging of a request. `order` tells apart the orders that a method can list in.
    ///
    /// Throws ``DomainError/invalid(_:)`` that names `page_size` or `page_token`.
    public init(_ request: some PagedRequest, method: String, scope: Scope, order: String = "", key: SealingKey)
        throws(DomainError)
    {
        guard request.pageSize >= 0 else {
            throw .invalid("page_size", "\(request.pageSize) is negative; 0 means \(Self.defaultSize)")
        }
        size = request.pageSize == 0 ? Self.defaultSize : min(Int(request.pageSize), Self.maximumSize)
        self.key = key
        context = Self.context(request, method, scope.tenant, order)
        guard !request.pageToken.isEmpty else {
            position = nil
            return
        }
        guard let sealed = Base64.decode(request.pageToken), let position = key.open(sealed, context: context) else {
            throw .invalid(
                "page_token",
                "this is not a next_page_token of a call with the same arguments; start again without a page_token"
            )
        }
        self.position = position
    }

    /// How many rows to read: one more than the page has, to see whether there is another page.
    public var count: Int { size + 1 }

    /// The id after which the page begins, of lists that are ordered by id; the zero UUID for the first page.
    public var after: UUID {
        get throws(DomainError) {
            guard let position else { return .zero }
            guard position.count == 16 else {
                throw .invalid("page_token", "this is a token of a list in another order")
            }
            return position.withUnsafeBytes { UUID(bytes: $0) }
        }
    }

    /// Cuts what was read to the page's size and makes the token of the next page: empty when there is none.
    public func cut<Row>(_ rows: [Row], position: (Row) throws -> [UInt8]) rethrows -> (rows: [Row], next: String) {
        guard rows.count > size else { return (rows, "") }
        let page = Array(rows[..<size])
        return (page, token(at: try position(page[size - 1])))
    }

    /// Cuts a list that is ordered by an id.
    public func cut<Row>(_ rows: [Row], id: (Row) -> String) -> (rows: [Row], next: String) {
        cut(rows) { row in
            guard let id = UUID(id(row)) else { preconditionFailure("the id of a row is a UUID") }
            return id.bytes
        }
    }

    /// The token of the page that begins after `position`.
    public func token(at position: [UInt8]) -> String {
        Base64.encodeURL(key.seal(position, context: context))
    }

    /// What a token is sealed for. Each part has its length before it, so that no two calls share a context.
    private static func context<Request: PagedRequest>(
        _ request: Request,
        _ method: String,
        _ tenant: UUID,
        _ order: String
    ) -> [UInt8] {
        var arguments = request
        arguments.pageSize = 0
        arguments.pageToken = ""
        var context = tenant.bytes
        for part in [Array(method.utf8), Array(order.utf8), SHA256.hash(arguments.serialized(prefix: 0))] {
            context.append(UInt8(truncatingIfNeeded: part.count >> 8))
            context.append(UInt8(truncatingIfNeeded: part.count))
            context += part
        }
        return context
    }
}
