import Domain
import EventLoop
import Operations
import Postgres
import Primitives
import Protobuf
import RPC
import TestSupport
import Testing
import TrellisAPI

@testable import TrellisServer

@Suite("Long-running operations")
struct OperationTests {
    /// A tenant, and an operation that its key has started.
    static func start(
        _ name: String,
        _ server: TestServer,
        _ tenant: (tenant: Tenant, key: String),
        uniqueKey: String? = nil
    ) async throws -> LongRunningOperation {
        let me: WhoAmIResponse = try await server.call("WhoAmI", WhoAmIRequest(), tenant.key)
        let scope = try Scope.service(tenant.tenant, key: try #require(UUID(me.apiKey?.id ?? "")))
        return try await server.database.work(scope) { work in
            try await work.startOperation(TestJobs.wait, Site(displayName: name), uniqueKey: uniqueKey)
        }
    }

    @Test("who waits for an operation is answered when it ends, on a server that does not work on it, too")
    func wait() async throws {
        try await withDatabase { database in
            let log = JobLog()
            var none = JobLimits()
            none.slots = 0
            try await database.withServers(2, log: log, limits: [JobLimits(), none]) { servers in
                let tenant = try await servers[0].tenant("acme")
                let started = try await Self.start("Lima", servers[0], tenant)
                #expect(!started.done && started.kind == "test.wait" && started.createTime != nil)
                let begun = try await database.eventually(
                    try #require(UUID(started.id)),
                    tenant: try #require(UUID(tenant.tenant.id))
                ) { $0.progressDone == 1 }
                #expect(begun.operation)
                // What it leads to is not shown before it has ended, although it may be stored.
                try await database.execute("UPDATE trellis.job SET response = 'x' WHERE job_id = '\(started.id)'")
                let now: LongRunningOperation = try await servers[1].operations(
                    "WaitOperation",
                    WaitOperationRequest(id: started.id, timeout: ProtoDuration(.milliseconds(1))),
                    tenant.key
                )
                #expect(!now.done && now.metadata?.message == "waiting" && now.metadata?.total == 2)
                #expect(now.metadata?.startTime != nil && now.result == nil && now.expireTime == nil)
                async let waited = servers[1].operations(
                    "WaitOperation",
                    WaitOperationRequest(id: started.id),
                    tenant.key,
                    as: LongRunningOperation.self
                )
                log.open()
                let done = try await waited
                guard case .response(let response)? = done.result else {
                    Issue.record("no response in \(done)")
                    return
                }
                #expect(response.typeURL == "type.googleapis.com/trellis.tenancy.v1.Site")
                #expect(try Site(serialized: response.value).displayName == "Lima")
                #expect(done.done && done.expireTime != nil)
                let got: LongRunningOperation = try await servers[0].operations(
                    "GetOperation",
                    GetOperationRequest(id: started.id),
                    tenant.key
                )
                #expect(got == done)
            }
        }
    }

    @Test("the end of a job, and what was missed, wake whoever waits for it")
    func signals() async throws {
        try await onLoop { loop in
            let (signals, job) = (JobSignals(), UUID.v7())
            for signal in ["done \(job)", nil] {
                let nap = signals.nap(until: job, on: loop, atMost: .seconds(3600))
                signals.heard("done \(UUID.v7())")
                signals.heard("queued")
                signals.heard("something new")
                if let signal { signals.heard(signal) } else { signals.missed() }
                try await nap.wait()
                signals.forget(nap, of: job)
            }
            let (queued, cancelled) = (JobLog(), JobLog())
            signals.tell(queued: { _ = queued.note("queued") }, cancelled: { _ = cancelled.note($0.text) })
            signals.heard("queued")
            signals.heard("cancel \(job)")
            signals.missed()
            #expect(queued.runs == ["queued": 2] && cancelled.runs == [job.text: 1])
        }
    }

    @Test("a cancelled operation ends with the error CANCELLED, a failed one with what went wrong")
    func errors() async throws {
        try await withDatabase { database in
            let log = JobLog()
            var registry = TestJobs.registry(log)
            let refuse = OperationKind<Site, Site>("test.refuse_operation")
            registry.handle(refuse) { payload, _ in
                throw DomainError.notFound(resource: "site", id: payload.displayName)
            }
            let server = try await TestServer(on: database, jobs: registry)
            let tenant = try await server.tenant("acme")
            let started = try await Self.start("Lima", server, tenant)
            let cancelled: LongRunningOperation = try await server.operations(
                "CancelOperation",
                CancelOperationRequest(id: started.id, requestID: "r-1"),
                tenant.key
            )
            #expect(cancelled.done || cancelled.metadata?.cancelRequested == true)
            let ended: LongRunningOperation = try await server.operations(
                "WaitOperation",
                WaitOperationRequest(id: started.id),
                tenant.key
            )
            guard case .error(let error)? = ended.result else {
                Issue.record("no error in \(ended)")
                return
            }
            #expect(ended.done && error.code == StatusCode.cancelled.rawValue && error.message == "it was cancelled")
            let again: LongRunningOperation = try await server.operations(
                "CancelOperation",
                CancelOperationRequest(id: started.id),
                tenant.key
            )
            #expect(again == ended)
            let failing = try await database.work(Scope.service(tenant.tenant)) { work in
                try await work.startOperation(refuse, Site(displayName: "x"))
            }
            let failed: LongRunningOperation = try await server.operations(
                "WaitOperation",
                WaitOperationRequest(id: failing.id),
                tenant.key
            )
            guard case .error(let reason)? = failed.result else {
                Issue.record("no error in \(failed)")
                return
            }
            #expect(reason.code == StatusCode.notFound.rawValue && reason.message == "there is no site with id x")
            let info = try #require(reason.details.first { $0.typeURL.hasSuffix("ErrorInfo") })
            #expect(try ErrorInfo(serialized: info.value).reason == "NOT_FOUND")
            await server.stop()
        }
    }

    @Test("an operation is seen by who started it and by who may see others', and by no other tenant")
    func visibility() async throws {
        try await withDatabase { database in
            let log = JobLog()
            try await database.withServers(1, log: log) { servers in
                let server = servers[0]
                let (tenant, stranger) = (try await server.tenant("acme"), try await server.tenant("other"))
                func key(_ permissions: [String]) async throws -> String {
                    let request = CreateApiKeyRequest(displayName: "\(permissions)", permissions: permissions)
                    return try await server.call("CreateApiKey", request, tenant.key, as: ApiKey.self).secret
                }
                let (reader, nobody) = (
                    try await key(["operations.operations.read"]), try await key(["tenancy.sites.read"])
                )
                let ours = try await Self.start("ours", server, tenant)
                let theirs = try await Self.start("theirs", server, (tenant.tenant, nobody))
                let get = GetOperationRequest(id: ours.id)
                let own = GetOperationRequest(id: theirs.id)
                let cancel = CancelOperationRequest(id: ours.id)
                for token in [tenant.key, reader] {
                    for request in [get, own] {
                        let seen: LongRunningOperation = try await server.operations("GetOperation", request, token)
                        #expect(seen.id == request.id)
                    }
                }
                let seen: LongRunningOperation = try await server.operations("GetOperation", own, nobody)
                #expect(seen.id == theirs.id)
                for token in [nobody, stranger.key, server.platformKey] {
                    for method in ["GetOperation", "WaitOperation"] {
                        let refused = await server.refused {
                            try await server.operations(method, get, token, as: LongRunningOperation.self)
                        }
                        #expect(refused?.code == .notFound)
                    }
                    let refused = await server.refused {
                        try await server.operations("CancelOperation", cancel, token, as: LongRunningOperation.self)
                    }
                    #expect(refused?.code == .notFound)
                }
                let denied = await server.refused {
                    try await server.operations("CancelOperation", cancel, reader, as: LongRunningOperation.self)
                }
                #expect(denied?.code == .permissionDenied)
                #expect(try denied?.detail(ErrorInfo.self)?.metadata["permission"] == "operations.operations.write")
                // Who has started it may always.
                _ = try await server.operations(
                    "CancelOperation",
                    CancelOperationRequest(id: theirs.id),
                    nobody,
                    as: LongRunningOperation.self
                )
                func list(_ request: ListOperationsRequest, _ token: String) async throws -> [String] {
                    let answer: ListOperationsResponse = try await server.operations("ListOperations", request, token)
                    return answer.operations.map(\.id)
                }
                let ended = WaitOperationRequest(id: theirs.id)
                _ = try await server.operations("WaitOperation", ended, nobody, as: LongRunningOperation.self)
                #expect(try await list(ListOperationsRequest(), reader) == [theirs.id, ours.id])
                #expect(try await list(ListOperationsRequest(), nobody) == [theirs.id])
                #expect(try await list(ListOperationsRequest(), stranger.key) == [])
                #expect(try await list(ListOperationsRequest(done: true), reader) == [theirs.id])
                #expect(try await list(ListOperationsRequest(done: false), reader) == [ours.id])
                #expect(try await list(ListOperationsRequest(kind: "test.wait"), reader).count == 2)
                #expect(try await list(ListOperationsRequest(kind: "test.other"), reader) == [])
                let first: ListOperationsResponse = try await server.operations(
                    "ListOperations",
                    ListOperationsRequest(pageSize: 1),
                    reader
                )
                #expect(first.operations.map(\.id) == [theirs.id])
                let second = ListOperationsRequest(pageSize: 1, pageToken: first.nextPageToken)
                #expect(try await list(second, reader) == [ours.id])
                // Jobs are for the platform.
                let jobs = await server.refused {
                    try await server.knowledge(
                        "operations.v1.JobsService/ListJobs",
                        ListJobsRequest(),
                        tenant.key
                    ) as ListJobsResponse
                }
                #expect(jobs?.reason == "WRONG_CREDENTIAL_KIND")
            }
        }
    }

    @Test("an operation with a unique key is refused while another has not ended, and the refusal names that one")
    func unique() async throws {
        try await withDatabase { database in
            try await database.withServers(1, log: JobLog()) { servers in
                let tenant = try await servers[0].tenant("acme")
                let first = try await Self.start("one", servers[0], tenant, uniqueKey: "k")
                let refused = await #expect(throws: DomainError.self) {
                    try await Self.start("two", servers[0], tenant, uniqueKey: "k")
                }
                #expect(refused?.reason == "OPERATION_UNDER_WAY" && refused?.message.contains(first.id) == true)
                _ = try await Self.start("three", servers[0], tenant, uniqueKey: "l")
            }
        }
    }
}
