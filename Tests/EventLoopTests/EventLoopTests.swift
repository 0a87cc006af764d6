import EventLoop
import Glibc
import Synchronization
import Testing

/// Runs `body` as a task on a loop of its own and waits for what it returns.
func onLoop<Value: Sendable>(
    _ body: @escaping @Sendable (EventLoop) async throws -> Value
) async throws -> Value {
    let loop = try EventLoop.startThread(name: "test")
    defer {
        loop.stop()
        loop.join()
    }
    return try await withCheckedThrowingContinuation { continuation in
        loop.submit {
            loop.startTask {
                do { continuation.resume(returning: try await body(loop)) } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }
}

@Suite("EventLoop")
struct EventLoopTests {
    @Test("a task starts at once, stays on its loop through sleeps, child tasks and offloaded work")
    func staysOnLoop() async throws {
        let places = try await onLoop { loop in
            var places = [loop.isOnLoop]
            try await loop.sleep(for: .milliseconds(2))
            places.append(loop.isOnLoop)
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<4 { group.addTask { loop.isOnLoop } }
                for await place in group { places.append(place) }
            }
            let off = try await Offload.run { loop.isOnLoop }
            places.append(!off)
            places.append(loop.isOnLoop)
            return places
        }
        #expect(places == Array(repeating: true, count: 8))
    }

    @Test("an error of offloaded work reaches the caller")
    func offloadError() async throws {
        struct Failure: Error {}
        await #expect(throws: Failure.self) {
            try await onLoop { _ in try await Offload.run { throw Failure() } }
        }
    }

    @Test("a cancelled sleep ends early with CancellationError")
    func cancelledSleep() async throws {
        try await onLoop { loop in
            let task = loop.startTask {
                await #expect(throws: CancellationError.self) { try await loop.sleep(for: .seconds(3600)) }
            }
            task.cancel()
            await task.value
        }
    }

    @Test("timers fire in the order of their times; a cancelled one does not")
    func timers() async throws {
        let order = try await onLoop { loop in
            await withCheckedContinuation { (done: CheckedContinuation<[Int], Never>) in
                var order: [Int] = []
                _ = loop.schedule(after: .milliseconds(20)) {
                    order.append(3)
                    done.resume(returning: order)
                }
                _ = loop.schedule(after: .milliseconds(10)) { order.append(2) }
                loop.schedule(after: .milliseconds(5)) { order.append(0) }.cancel()
                _ = loop.schedule(after: .zero) { order.append(1) }
            }
        }
        #expect(order == [1, 2, 3])
    }

    @Test("end-of-turn work runs once, after the jobs of the turn")
    func turnEnd() async throws {
        let order = try await onLoop { loop in
            await withCheckedContinuation { (done: CheckedContinuation<[String], Never>) in
                let order = Box<[String]>([])
                loop.submit {
                    loop.atTurnEnd {
                        order.value.append("end")
                        done.resume(returning: order.value)
                    }
                    loop.submit { order.value.append("job") }
                }
            }
        }
        #expect(order == ["job", "end"])
    }

    @Test("work submitted by many threads all runs")
    func submitted() async throws {
        let count = Counter()
        let loop = try EventLoop.startThread(name: "test")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<10_000 { loop.submit { count.increment() } } }
            }
        }
        loop.stop()
        loop.join()
        #expect(count.value == 80_000)
    }

    @Test("a watched descriptor reports what it is asked for, and nothing after close")
    func watching() async throws {
        let text = try await onLoop { loop in
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            let reader = ends[0]
            let writer = ends[1]
            let watcher = Box<FDWatcher?>(nil)
            let text = try await withCheckedThrowingContinuation { (done: CheckedContinuation<String, any Error>) in
                do {
                    watcher.value = try loop.watch(reader) { _ in
                        var buffer = [UInt8](repeating: 0, count: 16)
                        let count = read(reader, &buffer, 16)
                        watcher.value?.close()
                        done.resume(returning: String(decoding: buffer.prefix(max(0, count)), as: UTF8.self))
                    }
                    watcher.value?.interest = .readable
                    write(writer, "hello", 5)
                } catch { done.resume(throwing: error) }
            }
            write(writer, "more", 4)
            try await loop.sleep(for: .milliseconds(5))
            close(reader)
            close(writer)
            return text
        }
        #expect(text == "hello")
    }

    @Test("a loop that stops closes what is still open and lets go of it")
    func stopping() throws {
        let witness = Witness()
        let isGone = witness.isGone
        let loop = try EventLoop.startThread(name: "test")
        loop.submit { [witness] in
            _ = loop.schedule(after: .seconds(3600)) { _ = witness }
        }
        loop.stop()
        loop.join()
        _ = consume witness
        #expect(isGone.value)
    }

    @Test("a listener deals connections round-robin to the loops")
    func listening() async throws {
        let group = try EventLoopGroup(count: 2, name: "test")
        let names = Mutex<[String]>([])
        let (stream, accepted) = AsyncStream<Void>.makeStream()
        let listener = try Listener(host: "127.0.0.1", port: 0, group: group) { descriptor, loop in
            names.withLock { $0.append(loop.name) }
            close(descriptor)
            accepted.yield()
        }
        listener.start()
        #expect(listener.address.port != 0)
        for _ in 0..<4 {
            let address = try SocketAddress.resolve(host: "127.0.0.1", port: listener.address.port)[0]
            let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            #expect(address.connect(client) == 0)
            close(client)
        }
        var count = 0
        for await _ in stream {
            count += 1
            if count == 4 { break }
        }
        listener.close()
        group.shutdown()
        #expect(names.withLock { $0.sorted() } == ["test-0", "test-0", "test-1", "test-1"])
    }

    @Test("a port that is taken is an error that names it")
    func taken() throws {
        let group = try EventLoopGroup(count: 1, name: "test")
        defer { group.shutdown() }
        let first = try Listener(host: "127.0.0.1", port: 0, group: group) { _, _ in }
        defer { first.close() }
        do {
            _ = try Listener(host: "127.0.0.1", port: first.address.port, group: group) { _, _ in }
            Issue.record("the second bind went through")
        } catch {
            #expect(error.description.contains("127.0.0.1:\(first.address.port)"))
        }
    }
}

/// A value that loop-confined closures share. Confined to one loop in each test.
private final class Box<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
}

private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { count.load(ordering: .relaxed) }
    func increment() { count.wrappingAdd(1, ordering: .relaxed) }
}

private final class Witness: Sendable {
    let isGone = Flag()
    deinit { isGone.value = true }

    final class Flag: Sendable {
        private let state = Atomic<Bool>(false)
        var value: Bool {
            get { state.load(ordering: .sequentiallyConsistent) }
            set { state.store(newValue, ordering: .sequentiallyConsistent) }
        }
    }
}
