import EventLoop
import Glibc
import Testing

@Suite("EventLoop descriptors with an error")
struct DescriptorErrorTests {
    /// What a peer that is killed leaves behind: bytes of it to read, and bytes of ours that it never read.
    @Test("what a vanished peer sent is reported until it is read, and the error after it")
    func vanishedPeer() async throws {
        var pair: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &pair) {
            socketpair(
                AF_UNIX,
                Int32(SOCK_STREAM.rawValue),
                0,
                $0.assumingMemoryBound(to: Int32.self).baseAddress
            )
        }
        try #require(made == 0)
        let (ours, peer) = pair
        #expect(write(peer, "last words", 10) == 10)
        #expect(write(ours, "unread", 6) == 6)
        #expect(close(peer) == 0)
        let (read, error) = try await onLoop { loop in
            // One byte each time, as a reader with a small buffer would: the error must not end the reports.
            let (reports, report) = AsyncStream<(Int, Int32)>.makeStream()
            let watcher = try loop.watch(ours) { _ in
                var byte: UInt8 = 0
                let count = Glibc.read(ours, &byte, 1)
                report.yield((count, count < 0 ? errno : 0))
                if count <= 0 { report.finish() }
            }
            watcher.interest = .readable
            var read = 0
            var error: Int32 = 0
            for await (count, code) in reports {
                if count > 0 { read += count } else { error = code }
                if read < 10 || count > 0 { continue }
                watcher.close()
                close(ours)
                break
            }
            return (read, error)
        }
        #expect(read == 10)
        #expect(error == ECONNRESET)
    }
}
