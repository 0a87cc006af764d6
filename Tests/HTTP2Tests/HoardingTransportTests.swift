import EventLoop
import HTTP2
import Synchronization
import Testing

/// A transport whose input lies in it from the start, and of which no descriptor tells: TLS after a large read.
private final class HoardingTransport: ByteTransport {
    private var input: ArraySlice<UInt8>
    private let onEnd: () -> Void

    init(_ input: [UInt8], onEnd: @escaping () -> Void) {
        self.input = input[...]
        self.onEnd = onEnd
    }

    var descriptor: Int32? { nil }
    var wantsWritable: Bool { false }
    var keepsInput: Bool { true }
    var hasInput: Bool { !input.isEmpty }
    var peer: String { "test" }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadOutcome {
        let taken = input.prefix(buffer.count)
        guard !taken.isEmpty else { return .wouldBlock }
        buffer.copyBytes(from: taken)
        input = input.dropFirst(taken.count)
        if input.isEmpty { onEnd() }
        return .bytes(taken.count)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> WriteOutcome { .bytes(bytes.count) }

    func close() {}
}

@Suite("Transports that keep input", .timeLimit(.minutes(1)))
struct HoardingTransportTests {
    @Test("what a transport holds is read to its end, over as many turns as it takes, though no descriptor tells of it")
    func nothingStaysLying() async throws {
        // The preface, the settings, and 40 frames of an unknown type with 16 KiB each: ten buffers full.
        var input = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        for _ in 0..<40 { input += [0, 64, 0, 0xEE, 0, 0, 0, 0, 0] + [UInt8](repeating: 1, count: 16_384) }
        let loop = try EventLoop.startThread(name: "hoard")
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            loop.submit { [input] in
                let limits = HTTP2Limits()
                let connection = HTTP2Connection(
                    role: .server,
                    transport: HoardingTransport(input) { continuation.resume() },
                    loop: loop,
                    limits: limits,
                    buffers: HTTP2LoopBuffers(limits: limits)
                )
                kept.withLock { $0 = connection }
                try? connection.start()
                connection.receive()
            }
        }
        loop.submit {
            kept.withLock {
                $0?.close(.closed)
                $0 = nil
            }
        }
        loop.stop()
        loop.join()
    }
}

/// The test's connection, which somebody has to hold.
private let kept = Mutex<HTTP2Connection?>(nil)
