// A fuzz target for libFuzzer (scripts/fuzz): bytes from anyone, into everything that reads them.
import Protobuf
import TrellisAPI

/// What to do with an input as a message, for messages that together have every form of field.
private let targets: [@Sendable ([UInt8]) -> Void] = [
    { fuzzMessage(Site.self, $0) }, { fuzzMessage(ApiKey.self, $0) }, { fuzzMessage(ImportReleaseRequest.self, $0) },
    { fuzzMessage(BatchCreateDocumentsRequest.self, $0) }, { fuzzMessage(SearchRequest.self, $0) },
    { fuzzMessage(ServerReflectionRequest.self, $0) }, { fuzzMessage(ServerReflectionResponse.self, $0) },
    { fuzzMessage(RPCStatus.self, $0) }, { fuzzMessage(ErrorInfo.self, $0) }, { fuzzMessage(FieldRules.self, $0) },
    { fuzzMessage(UpdateSiteRequest.self, $0) }, { fuzzMessage(Money.self, $0) },
]

/// Decodes, checks, encodes and maps one input. The first byte chooses the type.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let data, count > 0 else { return 0 }
    // A copy of exactly this size, so that the address sanitizer sees a read past the end.
    let input = [UInt8](UnsafeBufferPointer(start: data + 1, count: count - 1))
    if data[0] == 255 {
        fuzzJSON(input)
    } else {
        targets[Int(data[0]) % targets.count](input)
    }
    return 0
}

private func fuzzMessage<M: Message>(_ type: M.Type, _ input: [UInt8]) {
    let json = try? DescriptorPool.trellis.json(input, as: M.fullName)
    guard let message = try? M(serialized: input) else { return }
    let encoded = message.serialized()
    do {
        let again = try M(serialized: encoded)
        // Compared by their bytes: NaN is not equal to itself.
        precondition(again.serialized() == encoded, "\(M.fullName) changes when it is decoded and encoded again")
    } catch {
        // Known fields only grow when unknown ones are dropped, so what was accepted is accepted again.
        preconditionFailure("\(M.fullName) is refused after it was accepted: \(error)")
    }
    _ = message.violations()
    if let json { _ = try? DescriptorPool.trellis.serialize(json, as: M.fullName) }
}

private func fuzzJSON(_ input: [UInt8]) {
    guard let text = String(validating: input, as: UTF8.self), let value = try? JSONValue(parsing: text) else { return }
    let written = value.written()
    precondition((try? JSONValue(parsing: written)) == value, "JSON changes when it is written and read again")
    for name in DescriptorPool.trellis.messages.keys { _ = try? DescriptorPool.trellis.serialize(value, as: name) }
}
