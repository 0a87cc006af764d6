#if canImport(Glibc)
    private import Glibc
#elseif canImport(Musl)
    private import Musl
#else
    private import Darwin
#endif

/// The three standard streams, written without Foundation.
public enum Terminal {
    /// One of the two streams that a program writes.
    public enum Stream: Int32, Sendable {
        /// Results: what a program or a person asked for.
        case output = 1
        /// Everything about how it went: progress, notes, errors.
        case error = 2
    }

    /// Whether a stream is shown to a person.
    public static func isInteractive(_ stream: Stream) -> Bool { isatty(stream.rawValue) == 1 }

    /// The columns of the terminal that a stream is shown in, `nil` when it is none.
    public static func width(_ stream: Stream) -> Int? {
        guard isInteractive(stream) else { return nil }
        var size = winsize()
        guard ioctl(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Whether to colour what goes to a stream: a terminal, and nobody set `NO_COLOR` (no-color.org).
    public static func colours(_ stream: Stream) -> Bool {
        isInteractive(stream) && environment("NO_COLOR") == nil && environment("TERM") != "dumb"
    }

    /// A variable of the environment; an empty one counts as not set.
    public static func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    /// Writes text and a line end. Nothing is buffered.
    ///
    /// - Returns: false when nobody reads any more (`| head`), for programs that ignore SIGPIPE.
    @discardableResult
    public static func print(_ text: String, to stream: Stream = .output) -> Bool {
        write(text + "\n", to: stream)
    }

    /// Writes text as it is; see ``print(_:to:)``.
    @discardableResult
    public static func write(_ text: String, to stream: Stream = .output) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                #if canImport(Glibc)
                    let count = Glibc.write(stream.rawValue, rest.baseAddress, rest.count)
                #elseif canImport(Musl)
                    let count = Musl.write(stream.rawValue, rest.baseAddress, rest.count)
                #else
                    let count = Darwin.write(stream.rawValue, rest.baseAddress, rest.count)
                #endif
                if count >= 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if errno != EINTR && errno != EAGAIN {
                    return false
                }
            }
            return true
        }
    }
}
