internal import CFixtureAPI
internal import CTrellisAPI
public import Protobuf

extension DescriptorPool {
    /// The serialized proto files of the fixture and of what they import.
    public static var fixtureFiles: [[UInt8]] {
        let start = fixture_proto_files_start()
        return (0..<fixture_proto_files_count()).map { index in
            [UInt8](UnsafeBufferPointer(start: start[index].bytes, count: start[index].count))
        }
    }
}
