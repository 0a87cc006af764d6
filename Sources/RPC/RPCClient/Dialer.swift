internal import EventLoop
internal import Glibc

/// Makes a TCP connection without blocking the loop: looks the name up elsewhere, then tries each address in turn.
/// Confined to its loop.
final class Dialer {
    private let loop: EventLoop
    private let timeout: Duration
    private var addresses: [SocketAddress] = []
    private var descriptor: Int32 = -1
    private var watcher: FDWatcher?
    private var timer: LoopTimer?
    private var lastError = "it has no address"
    private var done: ((Result<Int32, DialError>) -> Void)?

    /// Why there is no connection, for people.
    struct DialError: Error {
        var reason: String
    }

    /// Begins; `done` is called once, on the loop, with a connected non-blocking socket that it owns, or why not.
    init(
        host: String,
        port: UInt16,
        loop: EventLoop,
        timeout: Duration,
        done: @escaping (Result<Int32, DialError>) -> Void
    ) {
        self.loop = loop
        self.timeout = timeout
        self.done = done
        loop.startTask { [box = Confined(self)] in
            let found = await Self.resolve(host, port)
            box.value.resolved(found)
        }
    }

    private static func resolve(_ host: String, _ port: UInt16) async -> Result<[SocketAddress], DialError> {
        do {
            return .success(try await Offload.run { try SocketAddress.resolve(host: host, port: port) })
        } catch {
            return .failure(DialError(reason: "\(error)"))
        }
    }

    /// Gives up; `done` is not called any more.
    func cancel() {
        done = nil
        closeAttempt()
    }

    private func resolved(_ result: Result<[SocketAddress], DialError>) {
        switch result {
        case .success(let addresses):
            self.addresses = addresses.reversed()
            tryNext()
        case .failure(let error): finish(.failure(error))
        }
    }

    private func tryNext() {
        guard done != nil else { return }
        guard let address = addresses.popLast() else { return finish(.failure(DialError(reason: lastError))) }
        do {
            let (descriptor, isDone) = try ClientSocket.connect(to: address)
            self.descriptor = descriptor
            if isDone { return finish(.success(descriptor)) }
            let watcher = try loop.watch(descriptor) { [weak self] _ in self?.connected() }
            watcher.interest = .writable
            self.watcher = watcher
        } catch {
            return failed(error)
        }
        timer = loop.schedule(after: timeout) { [weak self] in
            guard let self else { return }
            lastError = "no answer from \(address) within \(timeout)"
            closeAttempt()
            tryNext()
        }
    }

    private func connected() {
        if let failure = ClientSocket.failure(of: descriptor) { return failed(failure) }
        watcher?.close()
        watcher = nil
        finish(.success(descriptor))
    }

    private func failed(_ error: EventLoopError) {
        lastError = "\(error)"
        closeAttempt()
        tryNext()
    }

    private func closeAttempt() {
        timer?.cancel()
        timer = nil
        watcher?.close()
        watcher = nil
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    private func finish(_ result: Result<Int32, DialError>) {
        timer?.cancel()
        timer = nil
        if case .success = result { descriptor = -1 }
        let done = done
        self.done = nil
        done?(result)
    }
}

/// Something confined to a loop, in the hands of a task on that loop.
struct Confined<Value>: @unchecked Sendable {
    // @unchecked: whoever makes one sees to it that it is opened on the value's loop.
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}

/// The system's words for an error number.
func systemMessage(_ code: Int32) -> String {
    // Not strerror_r, whose two versions differ: glibc's strerror is safe to call from any thread since 2.32.
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
