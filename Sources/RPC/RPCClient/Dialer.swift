internal import EventLoop
internal import Glibc

/// Why there is no connection, for people.
struct DialError: Error {
    var reason: String
}

/// Makes a TCP connection to one address without blocking the loop. Confined to its loop.
final class Dialer {
    private var descriptor: Int32 = -1
    private var watcher: FDWatcher?
    private var done: ((Result<Int32, DialError>) -> Void)?

    /// Begins; `done` is called once, on the loop, not before this returns, with a connected non-blocking socket that it owns,
    /// or why not.
    init(_ address: SocketAddress, loop: EventLoop, done: @escaping (Result<Int32, DialError>) -> Void) {
        self.done = done
        do {
            let (descriptor, isDone) = try ClientSocket.connect(to: address)
            self.descriptor = descriptor
            if isDone {
                loop.atTurnEnd { [self] in finish(.success(descriptor)) }
                return
            }
            let watcher = try loop.watch(descriptor) { [weak self] _ in self?.connected() }
            watcher.interest = .writable
            self.watcher = watcher
        } catch {
            loop.atTurnEnd { [self] in finish(.failure(DialError(reason: "\(error)"))) }
        }
    }

    /// Gives up; `done` is not called any more.
    func cancel() {
        done = nil
        closeAttempt()
    }

    private func connected() {
        if let failure = ClientSocket.failure(of: descriptor) {
            return finish(.failure(DialError(reason: "\(failure)")))
        }
        finish(.success(descriptor))
    }

    private func closeAttempt() {
        watcher?.close()
        watcher = nil
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    private func finish(_ result: Result<Int32, DialError>) {
        guard let done = done.take() else { return }
        if case .success = result {
            watcher?.close()
            watcher = nil
            descriptor = -1
        } else {
            closeAttempt()
        }
        done(result)
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
