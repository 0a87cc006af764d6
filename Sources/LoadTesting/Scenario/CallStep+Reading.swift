internal import Protobuf
internal import RPC

extension CallStep.Kind {
    /// The shape of a method's calls.
    init(_ method: MethodDescriptor) {
        switch (method.isClientStreaming, method.isServerStreaming) {
        case (false, false): self = .unary
        case (false, true): self = .server
        case (true, false): self = .client
        case (true, true): self = .bidi
        }
    }
}

extension CallStep {
    /// Makes metadata without placeholders once and for all.
    mutating func settleMetadata() {
        var constant = Metadata()
        for (name, value) in metadata {
            guard let text = value.constant else { return }
            constant.append(name, text)
        }
        constantMetadata = constant
    }
}

/// What metadata can be called.
enum MetadataName {
    /// What is wrong with a name, and what would be right; nil when it is fine.
    static func fault(_ name: String) -> String? {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
                UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard !name.isEmpty, isPlain else { return "has a name that is not lower-case letters, digits, -, _ and ." }
        if name.hasPrefix("grpc-") || name == "content-type" || name == "te" {
            return "has a name that the protocol keeps for itself"
        }
        return name.hasSuffix("-bin") ? "has a name for bytes (-bin); only text can be sent" : nil
    }
}
