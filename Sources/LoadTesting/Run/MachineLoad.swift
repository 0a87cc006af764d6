internal import Files
internal import Glibc

/// What the machine of this process was busy with since this was made, out of /proc/stat.
struct MachineLoad {
    private let begin: (busy: Double, all: Double)?

    init() { begin = Self.read() }

    /// What part of all processors was in use, by anybody; nil when the system does not tell.
    var part: Double? {
        guard let begin, let now = Self.read(), now.all > begin.all else { return nil }
        return (now.busy - begin.busy) / (now.all - begin.all)
    }

    private static func read() -> (busy: Double, all: Double)? {
        guard let bytes = try? Files.read("/proc/stat") else { return nil }
        let line = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
        // user nice system idle iowait irq softirq steal; guest times are in user's.
        let fields = line.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
        guard fields.count == 8 else { return nil }
        let all = fields.reduce(0, +)
        return (all - fields[3] - fields[4], all)
    }
}
