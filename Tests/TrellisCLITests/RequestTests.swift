import Primitives
import Protobuf
import Terminal
import Testing

@testable import trellis

@Suite struct RequestTests {
    static func text(_ arguments: String...) throws -> String {
        let flags = RequestFlags(Sample.make.input, catalog: Sample.catalog).flags
        var builder = RequestBuilder(catalog: Sample.catalog, method: Sample.make)
        builder.now = Instant(rfc3339: "2026-01-01T00:00:00Z") ?? .now()
        builder.readFile = { _ in Array("from file".utf8) }
        let parsed = try ParsedFlags(arguments + ["--request-id", "r"], flags: flags)
        let members = try builder.request(parsed).members ?? []
        return JSONValue.object(members.filter { $0.key != "requestId" }).written()
    }

    static func message(_ arguments: String...) -> String? {
        let flags = RequestFlags(Sample.make.input, catalog: Sample.catalog).flags
        do {
            let parsed = try ParsedFlags(arguments, flags: flags)
            _ = try RequestBuilder(catalog: Sample.catalog, method: Sample.make).request(parsed)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func everyKindOfFieldHasItsWayOfBeingWritten() throws {
        #expect(
            try Self.text("--display-name", "Lima", "--size", "3", "--empty")
                == #"{"displayName":"Lima","size":3,"empty":true}"#
        )
        #expect(
            try Self.text("Lima", "--color", "sky-blue") == #"{"color":"PAINT_COLOR_SKY_BLUE","displayName":"Lima"}"#
        )
        #expect(try Self.text("x", "--color", "PAINT_COLOR_RED") == #"{"color":"PAINT_COLOR_RED","displayName":"x"}"#)
        #expect(try Self.text("x", "--tags", "a", "--tags", "b") == #"{"tags":["a","b"],"displayName":"x"}"#)
        #expect(try Self.text("x", "--tags", #"["a","b"]"#) == #"{"tags":["a","b"],"displayName":"x"}"#)
        #expect(
            try Self.text("x", "--labels", "k=v=w", "--labels", "l=")
                == #"{"labels":{"k":"v=w","l":""},"displayName":"x"}"#
        )
        #expect(
            try Self.text("x", "--mask", "display_name,maker.first_name")
                == #"{"mask":"displayName,maker.firstName","displayName":"x"}"#
        )
        #expect(try Self.text("x", "--wait", "5m") == #"{"wait":"300s","displayName":"x"}"#)
        #expect(try Self.text("x", "--wait", "1.5s") == #"{"wait":"1.5s","displayName":"x"}"#)
        #expect(try Self.text("x", "--data", "hi") == #"{"data":"aGk=","displayName":"x"}"#)
    }

    @Test func timesAreWrittenInFullByDayOrFromNow() throws {
        #expect(try Self.text("x", "--expire-time", "2027-05-06").contains("2027-05-06T00:00:00Z"))
        #expect(try Self.text("x", "--expire-time", "2027-05-06T07:08:09Z").contains("2027-05-06T07:08:09Z"))
        #expect(try Self.text("x", "--expire-time", "+31d").contains("2026-02-01T00:00:00"))
    }

    @Test func fieldsOfMessagesHaveDottedFlags() throws {
        #expect(
            try Self.text("x", "--maker.first-name", "Ana", "--maker.age", "40")
                == #"{"maker":{"firstName":"Ana","age":40},"displayName":"x"}"#
        )
        #expect(
            try Self.text("x", "--maker", #"{"firstName":"Ana"}"#, "--maker.age", "40")
                == #"{"maker":{"firstName":"Ana","age":40},"displayName":"x"}"#
        )
        #expect(Self.message("x", "--maker.id", "1")?.contains("unknown flag --maker.id") == true, "output only")
    }

    @Test func anAtSignReadsAFile() throws {
        #expect(try Self.text("--display-name", "@f.txt") == #"{"displayName":"from file"}"#)
        #expect(try Self.text("--display-name", "@@home") == #"{"displayName":"@home"}"#)
    }

    @Test func aWriteGetsARequestIDSoThatItCanBeRepeated() throws {
        let parsed = try ParsedFlags(["x"], flags: [])
        let request = try RequestBuilder(catalog: Sample.catalog, method: Sample.make).request(parsed)
        #expect(UUID(request["requestId"]?.text ?? "")?.version == 7)
    }

    @Test func mistakesAreNamedByTheirFlag() {
        #expect(Self.message() == "--display-name is required: The name")
        #expect(Self.message("x", "--color", "green") == "--color: 'green' is not one of red, sky-blue")
        #expect(Self.message("x", "--size", "big") == "--size: 'big' is not a whole number")
        #expect(Self.message("x", "--labels", "k") == "--labels: 'k' is not KEY=VALUE")
        #expect(
            Self.message("x", "--expire-time", "soon")
                == "--expire-time: 'soon' is not a time such as 2027-01-31, 2027-01-31T12:00:00Z or +90d"
        )
        #expect(Self.message("x", "y") == "'y' is one word too many: values are given by flags, see --help")
        #expect(Self.message("x", "--maker", "{")?.hasPrefix("--maker: no JSON, ") == true)
        #expect(Self.message("x", "--data", "@/no/such/file")?.hasPrefix("--data: cannot read '/no/such/file'") == true)
    }
}
