import Protobuf
import TLS

extension ClientTLSConfiguration {
    /// As a profile keeps it.
    init(json: JSONValue) {
        self.init()
        caFile = json["ca"]?.text
        certificateFile = json["cert"]?.text
        keyFile = json["key"]?.text
        serverName = json["server_name"]?.text
    }

    /// As a profile keeps it.
    var json: JSONValue {
        let members: [(key: String, value: String?)] = [
            ("ca", caFile), ("cert", certificateFile), ("key", keyFile), ("server_name", serverName),
        ]
        return .object(members.compactMap { member in member.value.map { (member.key, .string($0)) } })
    }

    /// In a few words.
    var summary: String {
        "TLS, trusting " + (caFile.map { "'\($0)'" } ?? "the system's CAs")
            + (certificateFile.map { ", with the certificate '\($0)'" } ?? "")
            + (serverName.map { ", server name \($0)" } ?? "")
    }
}
