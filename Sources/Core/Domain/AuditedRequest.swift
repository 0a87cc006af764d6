internal import Primitives
internal import Protobuf
internal import TrellisAPI

/// What an audit event keeps of a request.
enum AuditedRequest {
    /// Bytes of a serialized request that is kept whole; of a larger one, such as a chunk of an import, only the size and
    /// the hash are kept, by which it can be recognized; so, too, of one that JSON has no form for.
    static let maximumBytes = 65_536

    /// The request as JSON, its secrets and what is personal blotted out.
    static func json(_ request: some Message) -> String {
        var options = JSONOptions(redactsSecrets: true)
        options.personal = { _ in .string("[personal]") }
        let bytes = request.serialized()
        let name = type(of: request).fullName
        guard bytes.count <= maximumBytes,
            let json = try? DescriptorPool.trellis.json(bytes, as: name, options: options)
        else {
            return #"{"@type":"\#(name)","@bytes":\#(bytes.count),"@sha256":"\#(Hex.encode(SHA256.hash(bytes)))"}"#
        }
        return json.written()
    }
}
