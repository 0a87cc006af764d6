internal import EventLoop

/// One address that calls can go to.
struct Endpoint {
    var address: SocketAddress
    /// What it was found by.
    var target: Target

    /// The numeric address and port, by which it is recognized after names were looked up again.
    var key: String { "\(target.authority) \(address)" }
}

/// Looks up the addresses of a channel's targets. Confined to its loop.
final class Resolver {
    private let targets: [Target]
    private let loop: EventLoop
    private var done: ((Result<[Endpoint], DialError>) -> Void)?

    init(_ targets: [Target], loop: EventLoop) {
        self.targets = targets
        self.loop = loop
    }

    var isRunning: Bool { done != nil }

    /// Looks all names up, elsewhere when that may take time; `done` is called once, on the loop, at once or later, with the
    /// addresses in the targets' order, or with why there are none.
    func run(_ done: @escaping (Result<[Endpoint], DialError>) -> Void) {
        precondition(self.done == nil, "names are being looked up already")
        self.done = done
        // Numbers are read at once.
        if targets.allSatisfy(\.isNumeric) { return finish(Self.lookUp(targets)) }
        loop.startTask { [targets, box = Confined(self)] in
            do {
                let found = try await Offload.run { Self.lookUp(targets) }
                box.value.finish(found)
            } catch {
                box.value.finish(.failure(DialError(reason: "\(error)")))
            }
        }
    }

    /// Gives up; `done` is not called any more.
    func cancel() { done = nil }

    private func finish(_ result: Result<[Endpoint], DialError>) {
        done.take()?(result)
    }

    private static func lookUp(_ targets: [Target]) -> Result<[Endpoint], DialError> {
        var found: [Endpoint] = []
        var reasons: [String] = []
        for target in targets {
            do {
                let addresses = try SocketAddress.resolve(host: target.host, port: target.port)
                for address in addresses { found.append(Endpoint(address: address, target: target)) }
            } catch {
                reasons.append("\(error)")
            }
        }
        guard found.isEmpty else { return .success(found) }
        return .failure(DialError(reason: reasons.isEmpty ? "there is no address" : reasons.joined(separator: "; ")))
    }
}

extension Target {
    /// Whether the host is an address already, so that nothing needs to be asked.
    fileprivate var isNumeric: Bool {
        host.contains(":") || host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }
    }
}
