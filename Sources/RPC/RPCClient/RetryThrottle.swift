/// The tokens of a channel's ``RetryThrottling``. Confined to the channel's loop.
struct RetryThrottle {
    // In thousandths, so that a ratio adds up exactly.
    private var tokens = 0
    private let maximum: Int
    private let ratio: Int

    init(_ throttling: RetryThrottling?) {
        maximum = (throttling?.maxTokens ?? 0) * 1000
        ratio = Int(((throttling?.tokenRatio ?? 0) * 1000).rounded())
        tokens = maximum
    }

    /// Whether a call may be sent again.
    var allowsRetry: Bool { maximum == 0 || tokens > maximum / 2 }

    /// Counts a try that succeeded.
    mutating func succeeded() {
        if tokens < maximum { tokens = min(maximum, tokens + ratio) }
    }

    /// Counts a try that failed in a way that could be tried again.
    mutating func failed() {
        tokens = max(0, tokens - 1000)
    }
}
