// A fuzz target for libFuzzer (scripts/fuzz): bytes from any peer, into what reads the parts of a call, and what a server
// answers, into the client.
import EventLoop
import FuzzSupport
import HTTP2
import Protobuf
import RPC
import RPCClient
import RPCServer
import RPCServices
import TrellisAPI

/// What an input's first byte chooses.
private enum Kind: UInt8 {
    /// The bytes are the parts of a call.
    case parts
    /// The bytes are a service config.
    case serviceConfig
    /// The bytes are a JSON request, and an error's details.
    case json
    /// The bytes are what a server sends after its settings.
    case answer
    /// The bytes are all that a server sends.
    case server
}

/// Takes one input: the first byte chooses what it is fed to, the second how many bytes of an answer come at a time.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let data, count > 2, let kind = Kind(rawValue: data[0] % 5) else { return 0 }
    // A copy of exactly this size, so that the address sanitizer sees a read past the end.
    let input = [UInt8](UnsafeBufferPointer(start: data + 2, count: count - 2))
    let step = Int(data[1]) + 1
    switch kind {
    case .parts: readParts(input)
    case .serviceConfig: readServiceConfig(input)
    case .json: Requests.shared.read(input)
    case .answer: Caller.shared.call([0, 0, 0, 4, 0, 0, 0, 0, 0] + input, step)
    case .server: Caller.shared.call(input, step)
    }
    return 0
}

/// Framing, timeout, status message and metadata.
private func readParts(_ input: [UInt8]) {
    input.withUnsafeBytes { bytes in
        switch MessageFraming.next(in: bytes, limit: 1000) {
        case .message(let length, _): precondition(length <= 1000 && length + 5 <= bytes.count && bytes[0] <= 1)
        case .tooLarge(let length): precondition(length > 1000 && bytes.count >= 5)
        case .invalidFlag(let flag): precondition(flag > 1 && flag == bytes[0])
        case .incomplete: precondition(bytes.count < 1005)
        }
        if let timeout = Timeout.parse(bytes) {
            let again = Array(Timeout.format(timeout).utf8).withUnsafeBytes(Timeout.parse)
            precondition(again.map { $0 >= timeout } ?? false, "a timeout became shorter")
        }
        let text = PercentCoding.decode(bytes)
        let encoded = PercentCoding.encode(text)
        precondition(Array(encoded.utf8).withUnsafeBytes(PercentCoding.decode) == text, "a message changed")
        var fields = HeaderFields()
        fields.append(bytes, bytes)
        fields.append("a-bin", text)
        let metadata = Metadata(fields)
        if let all = metadata.allBytes("a-bin") {
            precondition(metadata.bytes("a-bin") == all.first, "the first value is another one")
        }
        readFrames(bytes)
        readGzip(bytes)
        for (name, value) in metadata { precondition(!name.isEmpty || !value.isEmpty || bytes.isEmpty) }
    }
}

/// What is no gzip is refused; what is, is not larger than allowed and comes back from being compressed again.
private func readGzip(_ bytes: UnsafeRawBufferPointer) {
    let codec = GzipCodec()
    let message = try? codec.decompress(bytes, limit: 1000)
    precondition((message?.count ?? 0) <= 1000, "larger than the limit")
    guard let compressed = codec.compress(Array(bytes)) else { return }
    precondition(compressed.count < bytes.count, "not smaller")
    let again = try? compressed.withUnsafeBytes { try codec.decompress($0, limit: bytes.count) }
    precondition(again.map { $0.elementsEqual(bytes) } == true, "what was compressed is another message")
}

/// A body, message by message: what is sealed is what was read.
private func readFrames(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while case .message(let length, let isCompressed) = MessageFraming.next(in: .init(rebasing: rest), limit: 1000) {
        var again = [UInt8](rest.prefix(MessageFraming.prefixBytes + length))
        MessageFraming.seal(&again, isCompressed: isCompressed)
        precondition(again.elementsEqual(rest.prefix(again.count)), "a message has another prefix")
        rest = rest.dropFirst(again.count)
    }
}

/// What is taken is within its ranges, and is taken again.
private func readServiceConfig(_ input: [UInt8]) {
    guard let text = String(validating: input, as: UTF8.self) else { return }
    do throws(ServiceConfigError) {
        let config = try ServiceConfig(json: text)
        for method in config.methods {
            precondition(method.timeout.map { $0 >= .zero } ?? true, "a timeout is negative")
            precondition(method.maxResponseMessageBytes.map { $0 >= 0 } ?? true, "a size is negative")
            switch method.sending {
            case .retry(let policy): precondition(policy.maxAttempts > 1 && policy.backoffMultiplier > 0, "bad retries")
            case .hedge(let policy): precondition(policy.maxAttempts > 1 && policy.hedgingDelay >= .zero, "bad hedging")
            default: break
            }
        }
        let again = try ServiceConfig(json: text)
        precondition(again == config, "the same text is another service config")
    } catch {
        precondition(!error.reason.isEmpty, "refused without a reason")
    }
}

/// What turns JSON into a request, with a message that has every kind of field.
private final class Requests: Sendable {
    static let shared = Requests()

    private let transcoder = DescriptorTranscoder(.trellis)
    private let route: Route

    private init() {
        let router = Router()
        router.unary("/trellis.tenancy.v1.TenancyService/UpdateSite") { (_: UpdateSiteRequest, _) in Site() }
        route = router.routes[0]
    }

    /// A request that is taken is a message; the details of an error may be anything.
    func read(_ input: [UInt8]) {
        _ = transcoder.detail(input, type: ErrorInfo.fullName)?.written()
        guard let message = try? input.withUnsafeBytes({ try transcoder.request($0, of: route) }) else { return }
        let request = try? UpdateSiteRequest(serialized: message)
        precondition(request != nil, "JSON was taken and is no message")
    }
}
