import Domain
import EventLoop
import Glibc
import HTTP2
import RPC
import RPCServer
import TrellisAPI

/// What `/metrics` shows.
struct ServerMetrics: Sendable {
    /// The counts of all loops' connections.
    let counts: ServerCounts
    /// The paths of the methods, by index.
    let methods: [String]
    /// The counts of all loops' calls, by method.
    let calls: [CallMetrics.MethodCounts]
    /// The calls of all loops that were more than a plan lets through.
    let rateRefusals: [RateLimit.Label: Int]
    /// The batches that all loops have sent to PostgreSQL.
    let batches: Int
    /// What is done in the background; nil while that has not begun.
    let jobs: JobMetrics?
    /// When the server started, in seconds since the Unix epoch.
    let started: Double

    /// The text for Prometheus. Methods that nobody has called are left out.
    func text() -> String {
        var out = PrometheusText()
        out.begin("trellis_connections", "gauge", "Connections that are open now.")
        out.sample("trellis_connections", counts.openConnections)
        out.begin("trellis_connections_total", "counter", "Connections that were accepted.")
        out.sample("trellis_connections_total", counts.connections)
        out.begin(
            "trellis_connections_refused_total",
            "counter",
            "Connections that were closed because there were too many."
        )
        out.sample("trellis_connections_refused_total", counts.refusedConnections)
        out.begin("trellis_requests_refused_total", "counter", "Requests for no method, or that were not gRPC.")
        out.sample("trellis_requests_refused_total", counts.refused)
        out.begin("trellis_calls_open", "gauge", "Calls that are being handled now.")
        out.sample("trellis_calls_open", counts.started - counts.finished.reduce(0, +))
        writeTraffic(&out)
        writeLimits(&out)
        writeRates(&out)
        if let security = counts.security { writeSecurity(security, &out) }
        writeCalls(&out)
        writeBatches(&out)
        jobs?.write(&out)
        writeProcess(&out)
        return out.text
    }

    private func writeTraffic(_ out: inout PrometheusText) {
        out.begin("trellis_received_bytes_total", "counter", "Bytes that came over gRPC connections.")
        out.sample("trellis_received_bytes_total", counts.bytesReceived)
        out.begin("trellis_sent_bytes_total", "counter", "Bytes that were sent over gRPC connections.")
        out.sample("trellis_sent_bytes_total", counts.bytesSent)
        out.begin("trellis_messages_received_total", "counter", "Request messages that were taken.")
        out.sample("trellis_messages_received_total", counts.messagesReceived)
        out.begin("trellis_messages_sent_total", "counter", "Response messages that were sent.")
        out.sample("trellis_messages_sent_total", counts.messagesSent)
        out.begin("trellis_pings_sent_total", "counter", "PING frames that were sent to silent peers.")
        out.sample("trellis_pings_sent_total", counts.pingsSent)
    }

    /// All limits, also those that nobody has reached: an alert on one must find it.
    private func writeLimits(_ out: inout PrometheusText) {
        out.begin("trellis_limit_reached_total", "counter", "How often peers reached a limit; docs/limits.md.")
        for (limit, count) in counts.limitHits.sorted(by: { $0.key < $1.key }) {
            out.sample("trellis_limit_reached_total", count, ["limit": limit])
        }
    }

    /// All of them, also those that have not happened: an alert on one must find it.
    private func writeRates(_ out: inout PrometheusText) {
        out.begin(
            "trellis_rate_limited_total",
            "counter",
            "Calls that were refused because there were too many, by whose limit it was and by class; docs/rates.md."
        )
        for subject in RateLimit.Subject.allCases {
            for rateClass in Rates.classes where subject != .address || rateClass == .credential {
                let count = rateRefusals[.init(subject: subject, rateClass: rateClass)] ?? 0
                out.sample(
                    "trellis_rate_limited_total",
                    count,
                    ["subject": subject.rawValue, "class": rateClass.metricLabel]
                )
            }
        }
    }

    private func writeBatches(_ out: inout PrometheusText) {
        out.begin(
            "trellis_postgres_batches_total",
            "counter",
            "Batches of statements that were sent to PostgreSQL, but for those of longer transactions."
        )
        out.sample("trellis_postgres_batches_total", batches)
    }

    private func writeCalls(_ out: inout PrometheusText) {
        let called = calls.indices.filter { calls[$0].finished.contains { $0 > 0 } }
        out.begin("trellis_calls_total", "counter", "Calls that ended, by method and status.")
        for index in called {
            for code in StatusCode.allCases where calls[index].finished[code.rawValue] > 0 {
                let labels: KeyValuePairs = ["method": String(methods[index].dropFirst()), "status": code.name]
                out.sample("trellis_calls_total", calls[index].finished[code.rawValue], labels)
            }
        }
        out.begin("trellis_call_duration_seconds", "histogram", "From a call's arrival to its end.")
        for index in called { writeDurations(index, &out) }
    }

    private func writeDurations(_ index: Int, _ out: inout PrometheusText) {
        let method = String(methods[index].dropFirst())
        var sum = 0
        for (bucket, count) in calls[index].durations.enumerated() {
            sum += count
            let isLast = bucket == CallMetrics.bounds.count
            let bound = isLast ? "+Inf" : "\(Double(CallMetrics.bounds[bucket]) / 1e9)"
            out.sample("trellis_call_duration_seconds_bucket", sum, ["method": method, "le": bound])
        }
        out.sample("trellis_call_duration_seconds_sum", Double(calls[index].total) / 1e9, ["method": method])
        out.sample("trellis_call_duration_seconds_count", sum, ["method": method])
    }

    private func writeSecurity(_ counts: TransportSecurityCounts, _ out: inout PrometheusText) {
        out.begin("trellis_tls_handshakes_total", "counter", "TLS handshakes that were completed.")
        out.sample("trellis_tls_handshakes_total", counts.handshakes - counts.resumed, ["kind": "full"])
        out.sample("trellis_tls_handshakes_total", counts.resumed, ["kind": "resumed"])
        out.begin("trellis_tls_handshakes_failed_total", "counter", "TLS handshakes that were begun and failed.")
        out.sample("trellis_tls_handshakes_failed_total", counts.failed)
        out.begin("trellis_tls_reloads_total", "counter", "How often the certificates were read again.")
        out.sample("trellis_tls_reloads_total", counts.reloads, ["outcome": "taken"])
        out.sample("trellis_tls_reloads_total", counts.failedReloads, ["outcome": "unusable"])
        guard let expiry = counts.certificateExpiry else { return }
        out.begin(
            "trellis_tls_certificate_expiry_seconds",
            "gauge",
            "When the certificate expires, in seconds since the Unix epoch."
        )
        out.sample("trellis_tls_certificate_expiry_seconds", expiry)
    }

    private func writeProcess(_ out: inout PrometheusText) {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        let user = Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) / 1e6
        let system = Double(usage.ru_stime.tv_sec) + Double(usage.ru_stime.tv_usec) / 1e6
        out.begin("process_cpu_seconds_total", "counter", "Processor time of this process.")
        out.sample("process_cpu_seconds_total", user + system)
        if let resident = Self.residentBytes() {
            out.begin("process_resident_memory_bytes", "gauge", "Resident memory of this process.")
            out.sample("process_resident_memory_bytes", resident)
        }
        out.begin("process_start_time_seconds", "gauge", "When this process began to serve, since the Unix epoch.")
        out.sample("process_start_time_seconds", started)
    }

    /// The second number of /proc/self/statm is the resident set in pages.
    private static func residentBytes() -> Int? {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 128)
        let count = read(file, &buffer, buffer.count)
        guard count > 0 else { return nil }
        let fields = String(decoding: buffer[..<count], as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
