import Domain
import EventLoop
import Logging
import RPC
import RPCServer

/// Names each call in its answer, and writes a line about it to the log.
///
/// Level `debug` for reads that went well and for calls that were too many, `info` for writes and for other refusals, `error` for the server's own faults: under
/// load a line a read would cost more than the read.
struct CallLog: CallObserver {
    let services: LoopServices

    func didFinish(_ context: ServerContext, _ status: Status) {
        let level = Self.level(status.code, services.policies[context.route.index])
        if status.code != .ok || context.metadata.withValue("x-request-id", { $0 != nil }) {
            context.trailers.append("x-request-id", context.requestID)
        }
        guard level >= services.logLevel else { return }
        var metadata: Logger.Metadata = [
            "request_id": "\(context.requestID)",
            "method": "\(context.route.path.dropFirst())",
            "status": "\(status.code.name)",
            "duration_us": "\((context.loop.now - context.arrived) / 1000)",
            "peer": "\(context.peer)",
        ]
        if let scope = context.admittedCall?.scope {
            metadata["tenant"] = scope.isPlatform ? nil : "\(scope.tenant)"
            metadata["actor"] = "\(scope.actor.kind)"
            metadata["credential"] = "\(scope.actor.id)"
            metadata["user"] = scope.actor.user.map { "\($0)" }
        }
        if !status.message.isEmpty { metadata["message"] = "\(status.message)" }
        if context.previousAttempts > 0 { metadata["previous_attempts"] = "\(context.previousAttempts)" }
        if let parent = context.metadata["traceparent"] { metadata["traceparent"] = "\(parent)" }
        services.log.log(level: level, "call", metadata: metadata)
    }

    static func level(_ code: StatusCode, _ policy: RoutePolicy?) -> Logger.Level {
        switch code {
        case .ok: policy?.isWrite == true ? .info : .debug
        case .internal, .unknown, .dataLoss: .error
        case .unavailable: .warning
        // Whoever calls too much must not fill the log as well; /metrics counts them.
        case .resourceExhausted: .debug
        default: .info
        }
    }
}
