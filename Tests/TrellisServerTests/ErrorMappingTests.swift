import Domain
import Foundation
import Postgres
import Protobuf
import RPC
import RPCServer
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Errors on the wire")
struct ErrorMappingTests {
    /// One of each error that has a reason of its own.
    static let domainErrors: [DomainError] = [
        .notFound(resource: "site", id: "1"), .alreadyExists(resource: "site", field: "display_name", value: "Lima"),
        .invalid("id", "it is no UUID"), .etagMismatch(resource: "site", id: "1"), .requestIDReused("r"), .contention,
        .unauthenticated(.missing), .unauthenticated(.malformed), .unauthenticated(.refused),
        .unauthenticated(.expired), .unauthenticated(.signIn), .unauthenticated(.refresh),
        .permissionDenied(permission: "tenancy.sites.read"), .wrongCredentialKind(required: .tenant),
        .wrongCredentialKind(required: .platform), .escalation(permissions: ["*"]),
        .unauthenticated(.unknownCertificate), .addressNotAllowed("192.0.2.7"),
        .tenantClosed(.suspended), .tenantClosed(.deleted), .tenantClosed(.purged), rateLimited,
    ]
    static let rateLimited =
        RateLimit(.tenant, "tenants/1", .read, Rates.Rate(perSecond: 1, burst: 1)).error(retryAfter: .seconds(1))
    static let kinds: [PostgresError.Kind] = [
        .unavailable, .outcomeUnknown, .cancelled, .timeout, .overloaded, .decoding, .protocol,
    ]
    static let states: [SQLState] = [
        .uniqueViolation, .foreignKeyViolation, .serializationFailure, .deadlockDetected, .lockNotAvailable,
        .queryCanceled, .insufficientResources, .adminShutdown, .cannotConnectNow, .syntaxErrorOrAccessRuleViolation,
        SQLState(rawValue: "53300"), SQLState(rawValue: "08006"), .insufficientPrivilege,
    ]
    static var replies: [ErrorReply] {
        domainErrors.map { ErrorReply($0) } + kinds.map { ErrorReply(PostgresError($0, "x")) }
            + states.map { ErrorReply(sqlState: $0) } + [ErrorReply(malformed)]
    }

    /// What the bytes of a request that are no message lead to.
    static var malformed: any Error {
        do throws(WireError) {
            _ = try RPCStatus(serialized: [0xFF])
            return CancellationError()
        } catch {
            return MalformedRequest(message: RPCStatus.fullName, error: error)
        }
    }

    static func details(_ error: RPCError) throws -> RPCStatus { try RPCStatus(serialized: error.details) }

    static func find<Detail: Message>(_: Detail.Type, _ status: RPCStatus) throws -> Detail? {
        try status.details.first { $0.typeURL == "type.googleapis.com/\(Detail.fullName)" }
            .map { try Detail(serialized: $0.value) }
    }

    @Test("every error has the reason, the request id and the same code and message inside and outside")
    func envelope() throws {
        for reply in Self.replies {
            let error = reply.rpcError(requestID: "call-1")
            let status = try Self.details(error)
            #expect(status.code == Int32(error.code.rawValue) && status.message == error.message)
            let info = try #require(try Self.find(ErrorInfo.self, status))
            #expect(info.domain == "trellis" && info.reason == reply.reason)
            #expect(info.reason.count <= 63 && info.reason.allSatisfy { $0.isUppercase || $0 == "_" })
            #expect(try Self.find(RequestInfo.self, status)?.requestID == "call-1")
        }
    }

    @Test("wrong fields are named one by one")
    func fields() throws {
        let violations = [FieldViolation(field: "a", reason: "b"), FieldViolation(field: "c[1]", reason: "d")]
        let error = ErrorReply(DomainError.invalid(violations)).rpcError(requestID: "r")
        let bad = try #require(try Self.find(BadRequest.self, try Self.details(error)))
        #expect(bad.fieldViolations.map(\.field) == ["a", "c[1]"])
        #expect(bad.fieldViolations.map(\.description) == ["b", "d"])
        #expect(error.code == .invalidArgument)
    }

    @Test("a failed precondition and a quota keep the reason that the use case gave them")
    func ownReasons() throws {
        let failed = DomainError.failedPrecondition(.init(reason: "NO_RELEASE", subject: "s", description: "d"))
        let status = try Self.details(ErrorReply(failed).rpcError(requestID: "r"))
        #expect(try Self.find(PreconditionFailure.self, status)?.violations.first?.type == "NO_RELEASE")
        #expect(try Self.find(ErrorInfo.self, status)?.reason == "NO_RELEASE")
        let limit = DomainError.resourceExhausted(.init(reason: "TOO_MANY", subject: "s", description: "d"))
        let quota = try Self.details(ErrorReply(limit).rpcError(requestID: "r"))
        #expect(try Self.find(QuotaFailure.self, quota)?.violations.first?.subject == "s")
    }

    @Test(
        "what can be tried again says when",
        arguments: [PostgresError.Kind.unavailable, .overloaded, .outcomeUnknown]
    )
    func retry(kind: PostgresError.Kind) throws {
        let status = try Self.details(ErrorReply(PostgresError(kind, "x")).rpcError(requestID: "r"))
        let delay = try #require(try Self.find(RetryInfo.self, status)?.retryDelay)
        #expect(delay.duration > .zero)
    }

    @Test("a fault shows nothing of its cause")
    func opaque() {
        struct Secret: Error { let text = "password" }
        for error in [
            Secret() as any Error, PostgresError(.decoding, "password"), PostgresError(.protocol, "password"),
        ] {
            let reply = ErrorReply(error)
            #expect(reply.code == .internal && reply.isFault)
            #expect(!"\(reply.rpcError(requestID: "r"))".contains("password"))
        }
        #expect(ErrorReply(sqlState: .insufficientPrivilege).code == .internal)
    }

    @Test("docs/errors.md has every reason with its status, and no other")
    func documentation() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/errors.md"), encoding: .utf8)
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
            row.split(separator: "|").prefix(2).map { $0.trimmingCharacters(in: [" ", "`"]) }.joined(separator: " ")
        }
        let ours = Set(Self.replies.map { "\($0.reason) \($0.code.name)" })
        #expect(Set(rows) == ours)
        #expect(rows.count == Set(rows).count)
    }
}
