internal import EventLoop
internal import RPCClient
internal import Terminal

/// How load is put on a server.
enum LoadModel: Sendable, Equatable {
    /// So many users, each of whom waits for an answer before the next call: the rate is what the server makes of it.
    case closed(users: Stages)
    /// Calls at times that are decided beforehand, whatever the server does.
    case open(rate: Stages, spacing: Arrivals.Spacing)

    var stages: Stages {
        switch self {
        case .closed(let users): users
        case .open(let rate, _): rate
        }
    }

    var isOpen: Bool {
        if case .open = self { true } else { false }
    }
}

/// All that a run is: the server, the load and its limits. Times are nanoseconds.
struct RunPlan: Sendable {
    /// The most that each may be; what is asked for beyond is refused.
    static let connectionsMax = 50_000
    static let threadsMax = 256
    static let processesMax = 64

    var address: String
    var scenario: Scenario
    var load: LoadModel
    /// How long load is put on before anything counts.
    var warmup: UInt64 = 0
    /// How many iterations there are in all, after the warm-up; nil goes by time.
    var count: UInt64?
    /// How long calls that are under way at the end are waited for.
    var drain: UInt64 = 10_000_000_000
    /// How long the intervals of the time series are.
    var interval: UInt64 = 1_000_000_000
    var connections = 1
    var threads = 1
    /// The most iterations under way at once in open loop.
    var maxInFlight = 10_000
    var seed: UInt64 = 1
    /// Which process this is of how many.
    var process = (index: 0, count: 1)
    /// How the connections are made.
    var channel: ChannelConfiguration = {
        var configuration = ChannelConfiguration()
        // A call is counted as what it was, not as what became of it at the third try.
        configuration.serviceConfig = ServiceConfig()
        configuration.maximumAttempts = 1
        configuration.userAgent = "trellis-load"
        return configuration
    }()

    /// The measured time when nothing ends it early; nil when the count of iterations does.
    var measured: UInt64? {
        let seconds = load.stages.seconds
        return seconds.isFinite ? UInt64(seconds * 1e9) : nil
    }

    /// The part of a number that a lane takes, so that the parts of all lanes add up to it.
    static func share(of number: UInt64, lane: Int, lanes: Int) -> UInt64 {
        number / UInt64(lanes) + (UInt64(lane) < number % UInt64(lanes) ? 1 : 0)
    }
}
