import RPC
import Testing

@testable import RPCClient

@Suite("Service config")
struct ServiceConfigTests {
    @Test("what gRPC's documents have is read")
    func whole() throws {
        let config = try ServiceConfig(
            json: """
                {"loadBalancingConfig": [{"xds": {}}, {"round_robin": {}}],
                 "methodConfig": [
                   {"name": [{"service": "a.B", "method": "C"}], "timeout": "1.5s", "waitForReady": true,
                    "maxRequestMessageBytes": 10, "maxResponseMessageBytes": "20",
                    "retryPolicy": {"maxAttempts": 4, "initialBackoff": ".1s", "maxBackoff": "1s",
                                    "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE", "aborted", 4]}},
                   {"name": [{"service": "a.B"}],
                    "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.5s", "nonFatalStatusCodes": ["INTERNAL"]}},
                   {"name": [{}], "timeout": "9s"}],
                 "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1234}, "somethingNew": 1}
                """
        )
        #expect(config.loadBalancing == .roundRobin)
        #expect(config.retryThrottling == RetryThrottling(maxTokens: 10, tokenRatio: 0.123))
        let table = MethodTable(config)
        let own = table["/a.B/C"]
        #expect(own.timeout == .milliseconds(1500) && own.waitForReady == true)
        #expect(own.maxRequestMessageBytes == 10 && own.maxResponseMessageBytes == 20)
        let policy = RetryPolicy(
            maxAttempts: 4,
            initialBackoff: .milliseconds(100),
            maxBackoff: .seconds(1),
            backoffMultiplier: 2,
            retryableStatusCodes: [.unavailable, .aborted, .deadlineExceeded]
        )
        #expect(own.sending == .retry(policy))
        let hedging = HedgingPolicy(
            maxAttempts: 3,
            hedgingDelay: .milliseconds(500),
            nonFatalStatusCodes: [.internal]
        )
        #expect(table["/a.B/Other"].sending == .hedge(hedging))
        #expect(table["/a.Else/C"].timeout == .seconds(9))
    }

    private static let retry = #""retryableStatusCodes": ["UNAVAILABLE"], "maxBackoff": "1s", "initialBackoff": "1s""#

    @Test(
        "a wrong config is an error that names the field",
        arguments: [
            ("[]", "", "an object"),
            ("{", "", "line 1"),
            (#"{"methodConfig": {}}"#, "methodConfig", "an array"),
            (#"{"methodConfig": [{"name": [{"method": "C"}]}]}"#, "methodConfig[0].name[0]", "no service"),
            (#"{"methodConfig": [{"name": [{}]}, {"name": [{}]}]}"#, "methodConfig[1].name[0]", "second time"),
            (#"{"methodConfig": [{"timeout": "5"}]}"#, "methodConfig[0].timeout", "1.5s"),
            (#"{"methodConfig": [{"timeout": "-5s"}]}"#, "methodConfig[0].timeout", "0s or more"),
            (#"{"methodConfig": [{"waitForReady": 1}]}"#, "methodConfig[0].waitForReady", "true or false"),
            (
                #"{"methodConfig": [{"maxRequestMessageBytes": -1}]}"#, "methodConfig[0].maxRequestMessageBytes",
                "from 0"
            ),
            (
                "{\"methodConfig\": [{\"retryPolicy\": {\(retry), \"backoffMultiplier\": 1, \"maxAttempts\": 1}}]}",
                "methodConfig[0].retryPolicy.maxAttempts", "from 2"
            ),
            (
                "{\"methodConfig\": [{\"retryPolicy\": {\(retry), \"backoffMultiplier\": 0, \"maxAttempts\": 2}}]}",
                "methodConfig[0].retryPolicy.backoffMultiplier", "more than 0"
            ),
            (
                "{\"methodConfig\": [{\"retryPolicy\": {\(retry), \"maxAttempts\": 2}}]}",
                "methodConfig[0].retryPolicy.backoffMultiplier", "missing"
            ),
            (
                #"{"methodConfig": [{"hedgingPolicy": {"maxAttempts": 2, "nonFatalStatusCodes": ["OK"]}}]}"#,
                "methodConfig[0].hedgingPolicy.nonFatalStatusCodes[0]", "UNAVAILABLE"
            ),
            (
                #"{"methodConfig": [{"hedgingPolicy": {"maxAttempts": 2}, "retryPolicy": {}}]}"#, "methodConfig[0]",
                "both"
            ),
            (#"{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 1}}"#, "retryThrottling.maxTokens", "1000"),
            (#"{"retryThrottling": {"maxTokens": 1, "tokenRatio": 0.0001}}"#, "retryThrottling.tokenRatio", "0.001"),
            (#"{"loadBalancingConfig": [{"xds": {}}]}"#, "loadBalancingConfig", "round_robin"),
            (#"{"loadBalancingPolicy": "grpclb"}"#, "loadBalancingPolicy", "round_robin"),
        ]
    )
    func wrong(json: String, field: String, reason: String) {
        let error = #expect(throws: ServiceConfigError.self) { try ServiceConfig(json: json) }
        #expect(error?.field == field)
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test("waits grow by the multiplier to the maximum, give or take a fifth")
    func backoff() {
        let policy = RetryPolicy(
            maxAttempts: 5,
            initialBackoff: .milliseconds(100),
            maxBackoff: .milliseconds(350),
            backoffMultiplier: 2,
            retryableStatusCodes: [.unavailable]
        )
        for (failure, middle) in [(1, 0.1), (2, 0.2), (3, 0.35), (1000, 0.35)] {
            let waits = (0..<200).map { _ in policy.wait(afterFailure: failure).seconds }
            #expect(waits.allSatisfy { $0 >= middle * 0.8 - 1e-9 && $0 <= middle * 1.2 + 1e-9 })
            #expect(Set(waits).count > 100)
        }
    }

    @Test("half of the tokens are the end of retries, and successes give them back")
    func throttle() {
        var throttle = RetryThrottle(RetryThrottling(maxTokens: 4, tokenRatio: 0.5))
        throttle.failed()
        #expect(throttle.allowsRetry)
        throttle.failed()
        #expect(!throttle.allowsRetry)
        throttle.succeeded()
        #expect(throttle.allowsRetry)
        for _ in 0..<10 { throttle.failed() }
        for _ in 0..<4 { throttle.succeeded() }
        #expect(!throttle.allowsRetry)
        throttle.succeeded()
        #expect(throttle.allowsRetry)
        var none = RetryThrottle(nil)
        for _ in 0..<10 { none.failed() }
        #expect(none.allowsRetry)
    }
}
