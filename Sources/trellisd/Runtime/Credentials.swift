import Protobuf

/// `credentials.json` of a home folder: where the server is, and the platform's key, for whoever may read the folder.
struct Credentials: Equatable {
    static let fileName = "credentials.json"

    var address: String
    var platformKey: String

    var json: String {
        JSONValue.object([
            ("address", .string(address)), ("platform_key", .string(platformKey)),
        ]).written(.indented) + "\n"
    }

    /// What an earlier start wrote, `nil` when there was none.
    static func read(from home: HomeFolder) throws(HomeError) -> Credentials? {
        guard let bytes = try home.read(fileName) else { return nil }
        let repair = "move it away and start again with a platform key made by 'trellis platform', or restore it"
        let value: JSONValue
        do { value = try JSONValue(parsing: String(decoding: bytes, as: UTF8.self)) } catch {
            throw HomeError(description: "'\(home.path)/\(fileName)' is no JSON (\(error)): \(repair)")
        }
        guard let address = value["address"]?.text, let key = value["platform_key"]?.text, !key.isEmpty else {
            throw HomeError(
                description: "'\(home.path)/\(fileName)' has no address or no platform_key: \(repair)"
            )
        }
        return Credentials(address: address, platformKey: key)
    }

    func write(to home: HomeFolder) throws(HomeError) { try home.write(Self.fileName, json) }
}
