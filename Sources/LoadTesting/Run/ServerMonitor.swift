internal import EventLoop
internal import Files
internal import Glibc
internal import Terminal

/// Watches what the server's process uses: by its number on this machine, or by its metrics page in Prometheus' text form
/// with `process_cpu_seconds_total` and `process_resident_memory_bytes`.
struct ServerMonitor: Sendable {
    enum Source: Sendable, Equatable {
        case process(Int32)
        case metrics(host: String, port: UInt16, path: String)
    }

    /// The largest metrics page that is read, in bytes.
    static let pageBytesMax = 8 << 20
    /// How long a page may take, in seconds.
    private static let pageSeconds = 2

    let source: Source

    init(process: Int32) { source = .process(process) }

    /// Reads `http://HOST:PORT/PATH`.
    init(url: String) throws(UsageError) {
        let wrong = UsageError(
            "--server-metrics: '\(url)' is not http://HOST:PORT/PATH, such as http://127.0.0.1:7071/metrics"
        )
        guard url.hasPrefix("http://") else { throw wrong }
        let rest = url.dropFirst("http://".count)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        guard let colon = rest[..<slash].lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)..<slash]),
            port > 0, colon > rest.startIndex, url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw wrong }
        let path = slash == rest.endIndex ? "/metrics" : String(rest[slash...])
        source = .metrics(host: rest[..<colon].filter { $0 != "[" && $0 != "]" }, port: port, path: path)
    }

    /// What the process has used so far.
    struct Reading: Equatable {
        var seconds: Double
        var residentBytes: UInt64
    }

    /// Takes a sample each interval until the task is cancelled.
    ///
    /// - Parameter begin: when the measured time begins, on the monotonic clock.
    func watch(from begin: UInt64, every interval: UInt64) async -> [ServerSample] {
        var samples: [ServerSample] = []
        var last: (at: UInt64, reading: Reading)?
        var next = begin
        while !Task.isCancelled {
            let now = Self.now
            if now < next {
                // Cancellation ends the sleep and, above, the watch.
                try? await Task.sleep(for: .nanoseconds(Int64(next - now)))
                continue
            }
            next += interval
            // A page that cannot be read leaves a gap in the series; the run goes on.
            guard let reading = try? read() else { continue }
            let at = Self.now
            if let last, at > last.at {
                let used = (reading.seconds - last.reading.seconds) / (Double(at - last.at) / 1e9)
                samples.append(
                    ServerSample(
                        second: Double(at - begin) / 1e9,
                        processors: max(0, used),
                        residentBytes: reading.residentBytes
                    )
                )
            }
            last = (at, reading)
        }
        return samples
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Reads once. Blocking, for two seconds at the most.
    func read() throws(UsageError) -> Reading {
        switch source {
        case .process(let process): return try Self.read(process)
        case .metrics(let host, let port, let path):
            return try Self.reading(inPage: try Self.page(host, port, path))
        }
    }

    private static func read(_ process: Int32) throws(UsageError) -> Reading {
        do {
            let text = String(decoding: try Files.read("/proc/\(process)/stat"), as: UTF8.self)
            // The program's name, in parentheses, may hold anything; after it comes field 3.
            guard let end = text.lastIndex(of: ")") else { throw UsageError("/proc/\(process)/stat has another form") }
            let fields = text[text.index(after: end)...].split(separator: " ").map { UInt64($0) ?? 0 }
            guard fields.count > 21 else { throw UsageError("/proc/\(process)/stat has another form") }
            let ticks = Double(fields[11] + fields[12])
            return Reading(
                seconds: ticks / Double(sysconf(Int32(_SC_CLK_TCK))),
                residentBytes: fields[21] * UInt64(sysconf(Int32(_SC_PAGESIZE)))
            )
        } catch let error as FileError {
            throw UsageError("--server-pid: \(error.isMissing ? "there is no process \(process)" : "\(error)")")
        } catch {
            throw UsageError("--server-pid: \(error)")
        }
    }

    /// The two figures in a metrics page.
    static func reading(inPage page: String) throws(UsageError) -> Reading {
        func value(_ name: String) -> Double? {
            page.split(separator: "\n").first { $0.hasPrefix(name + " ") }
                .flatMap { Double($0.dropFirst(name.count + 1).split(separator: " ").first ?? "") }
        }
        guard let seconds = value("process_cpu_seconds_total"), let bytes = value("process_resident_memory_bytes"),
            seconds >= 0, bytes >= 0, bytes < 1e18
        else {
            throw UsageError(
                "--server-metrics: the page has no process_cpu_seconds_total and process_resident_memory_bytes"
            )
        }
        return Reading(seconds: seconds, residentBytes: UInt64(bytes))
    }

    private static func page(_ host: String, _ port: UInt16, _ path: String) throws(UsageError) -> String {
        do {
            guard let address = try SocketAddress.resolve(host: host, port: port).first else {
                throw UsageError("--server-metrics: '\(host)' has no address")
            }
            let (descriptor, isDone) = try ClientSocket.connect(to: address)
            defer { close(descriptor) }
            if !isDone { try wait(descriptor, Int16(POLLOUT)) }
            if let failure = ClientSocket.failure(of: descriptor) { throw failure }
            let request = "GET \(path) HTTP/1.1\r\nhost: \(host):\(port)\r\nconnection: close\r\n\r\n"
            guard request.utf8CString.withUnsafeBytes({ send(descriptor, $0.baseAddress, $0.count - 1, 0) }) > 0 else {
                throw UsageError("--server-metrics: the request could not be sent")
            }
            var page: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while page.count < pageBytesMax {
                try wait(descriptor, Int16(POLLIN))
                let count = recv(descriptor, &chunk, chunk.count, 0)
                guard count > 0 else { break }
                page += chunk[..<count]
            }
            return String(decoding: page, as: UTF8.self).replacing("\r\n", with: "\n")
        } catch let error as UsageError {
            throw error
        } catch {
            throw UsageError("--server-metrics: \(error)")
        }
    }

    private static func wait(_ descriptor: Int32, _ events: Int16) throws(UsageError) {
        var entry = pollfd(fd: descriptor, events: events, revents: 0)
        guard poll(&entry, 1, Int32(pageSeconds * 1000)) > 0 else {
            throw UsageError("--server-metrics: no answer within \(pageSeconds) s")
        }
    }
}
