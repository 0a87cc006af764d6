// A tour of the client library against a running server: scripts/serve prints an address and a key to try it with.
//
//     swift run trellis-example 127.0.0.1:7070 KEY
//
// docs/client.md explains what is done here; a test runs it.

import RPCClient
import TrellisAPI
import TrellisClient

guard CommandLine.arguments.count == 3 else {
    print("usage: trellis-example ADDRESS KEY")
    exit(code: 2)
}

// What is said about methods is gRPC's service config: here reads are tried longer, and every call has a limit of its own.
var configuration = ChannelConfiguration()
configuration.serviceConfig.methods += try ServiceConfig(
    json: """
        {"methodConfig": [{
            "name": [{"service": "trellis.tenancy.v1.TenancyService", "method": "ListSites"}],
            "timeout": "10s",
            "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "3s", "backoffMultiplier": 2,
                            "retryableStatusCodes": ["UNAVAILABLE"]}
        }]}
        """
).methods

// A server that is just starting is waited for, up to the timeout.
var options = TrellisConnection.Options()
options.waitForReady = true
options.timeout = .seconds(30)

let connection = try TrellisConnection(
    address: CommandLine.arguments[1],
    token: CommandLine.arguments[2],
    options: options,
    configuration: configuration
)
let tenancy = TenancyClient(connection)

do {
    // One request, one response. A request id makes a write one that may be sent again.
    let me = try await tenancy.whoAmI(WhoAmIRequest())
    print("permissions: \(me.permissions.count)")
    let name = "Example"
    do {
        let site = try await tenancy.createSite(CreateSiteRequest(displayName: name, timeZone: "Europe/Berlin"))
        print("made: \(site.displayName)")
    } catch {
        // What went wrong is a code, and details to act on.
        guard error.code == .alreadyExists else { throw error }
        print("there already: \(name)")
    }

    do {
        _ = try await tenancy.createSite(CreateSiteRequest(displayName: ""))
    } catch {
        print("refused: \(error.code.name) \(error.reason)")
        for field in error.fields { print("  \(field.path): \(field.reason)") }
    }

    let sites = try await tenancy.listSites(ListSitesRequest()).sites
    print("sites: \(sites.map(\.displayName).joined(separator: ", "))")

    // One request, many responses: let go of, the call ends.
    let health = connection.serverStreaming(
        "/grpc.health.v1.Health/Watch",
        HealthCheckRequest(),
        isIdempotent: true,
        returning: HealthCheckResponse.self
    )
    for try await answer in health {
        print("health: \(answer.status)")
        break
    }

    // Many of both: the server's services, asked for by reflection.
    let reflection = connection.bidirectional(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        sending: ServerReflectionRequest.self,
        returning: ServerReflectionResponse.self
    )
    try await reflection.requests.send(ServerReflectionRequest(messageRequest: .listServices("")))
    reflection.requests.finish()
    for try await answer in reflection.responses {
        guard case .listServicesResponse(let list) = answer.messageResponse else { continue }
        for service in list.service { print("service: \(service.name)") }
    }
} catch {
    print("failed: \(error)")
    await connection.close()
    exit(code: 1)
}

// Calls under way may end first.
await connection.close(grace: .seconds(5))
