import FixtureAPI
import Primitives
import Testing
import TrellisAPI

@testable import Protobuf

@Suite("Messages as JSON")
struct JSONMappingTests {
    private let pool: DescriptorPool

    init() throws {
        let wellKnown = try Vector.wellKnownFiles.map { try #require(Hex.decode($0)) }
        pool = try DescriptorPool(files: DescriptorPool.fixtureFiles + wellKnown) { options in
            let rules = findBytes(50002, in: options).flatMap { try? FieldRules(serialized: $0) }
            return (rules?.secret == true ? FieldMarks.secret : []).union(rules?.personal == true ? .personal : [])
        }
    }

    private func fixture(_ name: String) -> String { "trellis.fixture.v1.\(name)" }

    @Test("what Google's protobuf writes, we write and read", arguments: Vector.all + [.wellKnown, .wellKnownAny])
    func google(_ vector: Vector) throws {
        let encoded = try bytes(vector)
        let ours = try pool.json(encoded, as: vector.name)
        #expect(normalised(ours) == normalised(try JSONValue(parsing: vector.json)))
        // Maps and structures may be written in another order, so the bytes are compared by what they mean.
        let back = try pool.serialize(ours, as: vector.name)
        #expect(try pool.json(back, as: vector.name) == ours)
        if !vector.json.contains("structure") { #expect(back == encoded) }
        #expect(try pool.serialize(json: vector.json, as: vector.name).count == encoded.count)
    }

    /// Numbers by their value: `1.0` and `1`, `1.5e+300` and `1.5e300` are the same.
    private func normalised(_ value: JSONValue) -> JSONValue {
        switch value {
        case .number(let text): .number(Double(text).map(String.init(describing:)) ?? text)
        case .array(let elements): .array(elements.map(normalised))
        case .object(let members): .object(members.map { ($0.key, normalised($0.value)) })
        default: value
        }
    }

    @Test("options: defaults, names of the proto file, secrets")
    func options() throws {
        let odd = Odd(in: 3, tenantID: "t", inner: .init(), password: "hunter2")
        #expect(try pool.json(odd).written() == #"{"in":3,"tenantId":"t","inner":{},"password":"hunter2"}"#)
        let text = try pool.json(
            odd,
            options: .init(includesDefaults: true, usesProtoNames: true, redactsSecrets: true)
        )
        #expect(
            text.written()
                == #"{"default":"","in":3,"tenant_id":"t","api_key_url":"","inner":{"kind":"KIND_UNSPECIFIED"},"password":"[redacted]"}"#
        )
        let lists = try pool.json(Lists(), options: .init(includesDefaults: true))
        #expect(lists["counts"] == .object([]) && lists["strings"] == .array([]))
        let presence = try pool.json(Presence(number: 0), options: .init(includesDefaults: true))
        #expect(presence.written() == #"{"number":0}"#)
    }

    @Test("numbers that JSON cannot write, and enum values without a name")
    func specialNumbers() throws {
        let scalars = Scalars(aDouble: .nan, aFloat: -.infinity, color: .unrecognized(9))
        let json = try pool.json(scalars)
        #expect(json.written() == #"{"aDouble":"NaN","aFloat":"-Infinity","color":9}"#)
        let back = try Scalars(json: json.written(), pool)
        #expect(back.aDouble.isNaN && back.aFloat == -.infinity && back.color == .unrecognized(9))
    }

    @Test("both names, both kinds of numbers and both alphabets of base64 are read; null is absence")
    func lenient() throws {
        #expect(
            try Scalars(json: #"{"an_int64": 5, "anInt32": "6", "aDouble": "1.5e1"}"#, pool)
                == Scalars(aDouble: 15, anInt32: 6, anInt64: 5)
        )
        #expect(
            try Scalars(json: #"{"someBytes": "-_8", "aBool": null, "color": 1}"#, pool)
                == Scalars(someBytes: [0xFB, 0xFF], color: .red)
        )
        #expect(try Scalars(json: #"{"someBytes": "+/8="}"#, pool) == Scalars(someBytes: [0xFB, 0xFF]))
        #expect(
            try Scalars(json: #"{"anInt32": 1e2, "aUint32": 4294967295.0}"#, pool)
                == Scalars(anInt32: 100, aUint32: .max)
        )
        #expect(
            try Presence(json: #"{"number": 0, "text": null, "name": null, "id": "1"}"#, pool)
                == Presence(number: 0, choice: .id(1))
        )
        #expect(
            try Odd(json: #"{"createTime": "2026-11-21T14:05:00.25+02:00"}"#, pool).createTime?.instant
                == Instant(rfc3339: "2026-11-21T12:05:00.25Z")
        )
        #expect(try Odd(json: #"{"timeout": "-0.5s"}"#, pool).timeout == ProtoDuration(nanos: -500_000_000))
        #expect(
            try Odd(json: #"{"updateMask": "displayName,inner.kind"}"#, pool).updateMask?.paths == [
                "display_name", "inner.kind",
            ]
        )
    }

    @Test(
        "what does not fit is refused, with its path and what would be right",
        arguments: [
            ("Odd", #"{"tenantID": "x"}"#, "tenantID: is unknown; did you mean tenantId?"),
            ("Odd", #"{"inner": {"king": 1}}"#, "inner.king: is unknown; did you mean kind?"),
            ("Tree", #"{"colour": 1}"#, "colour: is unknown; Tree has name, children"),
            ("Tree", #"{"children": [{}, {"name": 5}]}"#, "children[1].name: is a number; it must be a string"),
            ("Tree", #"{"children": {}}"#, "children: is an object; it must be an array"),
            ("Tree", #"{"children": [null]}"#, "children[0]: is null; an element of a list cannot be null"),
            ("Tree", #"[]"#, "is an array; Tree is an object"),
            ("Tree", #"{"name": "a\u0000b"}"#, "name: holds a NUL character; text may not"),
            (
                "Scalars", #"{"anInt32": 2147483648}"#,
                "anInt32: is 2147483648; it must be a whole number from -2147483648 to 2147483647"
            ),
            (
                "Scalars", #"{"anInt32": 1.5}"#,
                "anInt32: is 1.5; it must be a whole number from -2147483648 to 2147483647"
            ),
            (
                "Scalars", #"{"aUint64": "-1"}"#,
                "aUint64: is -1; it must be a whole number from 0 to 18446744073709551615"
            ),
            ("Scalars", #"{"aBool": "true"}"#, "aBool: is \"true\"; it must be true or false"),
            (
                "Scalars", #"{"aDouble": "0x10"}"#,
                "aDouble: is \"0x10\"; it must be a number, \"NaN\", \"Infinity\" or \"-Infinity\""
            ),
            (
                "Scalars", #"{"aDouble": 1e999}"#,
                "aDouble: is 1e999; it must be a number, \"NaN\", \"Infinity\" or \"-Infinity\""
            ),
            ("Scalars", #"{"aFloat": 1e39}"#, "aFloat: is 1e+39, which is out of the range of a float"),
            ("Scalars", #"{"someBytes": "a*"}"#, "someBytes: is not base64; bytes are written as a base64 string"),
            (
                "Scalars", #"{"color": "COLOR_PINK"}"#,
                "color: is \"COLOR_PINK\"; it must be one of COLOR_UNSPECIFIED, COLOR_RED, COLOR_DEEP_BLUE, COLOR_BLACK"
            ),
            (
                "Scalars", #"{"anInt32": 1, "an_int32": 2}"#,
                "an_int32: is given twice, as anInt32 and as an_int32; give it once"
            ),
            ("Presence", #"{"name": "a", "id": "1"}"#, "id: cannot be set together with name; set one of them"),
            (
                "Odd", #"{"createTime": "yesterday"}"#,
                "createTime: \"yesterday\" is no time; it must be like 2026-11-21T14:05:00Z"
            ),
            (
                "Odd", #"{"createTime": "0001-01-01T00:00:00+01:00"}"#,
                "createTime: \"0001-01-01T00:00:00+01:00\" is no time; it must be like 2026-11-21T14:05:00Z"
            ),
            ("Odd", #"{"timeout": "1 s"}"#, "timeout: \"1 s\" is no length of time; it must be like 1.5s or -30s"),
            ("Lists", #"{"counts": {"a": null}}"#, "counts[\"a\"]: is null; a value of a map cannot be null"),
            ("Lists", #"{"counts": []}"#, "counts: is an array; it must be an object of keys and values"),
        ]
    )
    func refused(_ name: String, _ json: String, _ expected: String) {
        let error = #expect(throws: JSONError.self) { try pool.serialize(json: json, as: fixture(name)) }
        #expect(error?.description == expected)
    }

    @Test("nesting is bounded in both directions")
    func depth() throws {
        let limits = JSONLimits(depth: 1000, sizeBytes: 1 << 20)
        let deep = String(repeating: #"{"children":["#, count: 100) + String(repeating: "]}", count: 100)
        let value = try JSONValue(parsing: deep, limits: limits)
        #expect(throws: JSONError.self) { try pool.serialize(value, as: fixture("Tree")) }
        var bytes: [UInt8] = []
        for _ in 0..<60 { bytes = [0x12, UInt8(bytes.count)] + bytes }
        #expect(throws: Never.self) { try pool.json(bytes, as: fixture("Tree")) }
        for _ in 0..<3 { bytes = [0x12, UInt8(bytes.count)] + bytes }
        #expect(throws: Never.self) { try pool.json(bytes, as: fixture("Tree")) }
        bytes = [0x12, 0x80 | UInt8(bytes.count & 0x7F), UInt8(bytes.count >> 7)] + bytes
        #expect(throws: JSONError.self) { try pool.json(bytes, as: fixture("Tree")) }
    }

    @Test("malformed bytes are errors, whatever they are")
    func malformed() throws {
        var generator = SystemRandomNumberGenerator()
        let lists = try bytes(.lists)
        for _ in 0..<2000 {
            var input = lists
            for _ in 0..<3 {
                input[.random(in: 0..<input.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            if let json = try? pool.json(input, as: fixture("Lists")) { _ = json.written() }
        }
        #expect(throws: JSONError.self) { try pool.json([10, 1, 0xFF], as: fixture("Tree")) }
        #expect(throws: JSONError.self) { try pool.json([8, 1], as: fixture("Tree")) }
    }

    @Test("an Any of a type that we do not know is shown as it came")
    func unknownAny() throws {
        let status = RPCStatus(
            code: 5,
            message: "no",
            details: [AnyMessage(typeURL: "type.googleapis.com/x.Y", value: [1, 2])]
        )
        let json = try DescriptorPool.trellis.json(status).written()
        #expect(json == #"{"code":5,"message":"no","details":[{"@type":"type.googleapis.com/x.Y","value":"AQI="}]}"#)
    }
}

@Suite("Descriptors at run time")
struct DescriptorPoolTests {
    @Test("the contract has its services, policies, rules and comments")
    func contract() throws {
        let pool = DescriptorPool.trellis
        let tenancy = try #require(pool.service(named: "TenancyService"))
        #expect(tenancy.fullName == "trellis.tenancy.v1.TenancyService" && tenancy.comment.hasPrefix("Tenants, sites"))
        let create = try #require(tenancy.methods.first { $0.name == "CreateSite" })
        #expect(create.path == "/trellis.tenancy.v1.TenancyService/CreateSite" && !create.comment.isEmpty)
        #expect(create.policy?.permission == "tenancy.sites.write" && create.policy?.effect == .write)
        #expect(create.policy?.scope == .tenant && !create.isServerStreaming)
        let request = try #require(pool.messages[create.input])
        let name = try #require(request.field(named: "displayName"))
        #expect(name.rules?.required == true && !name.comment.isEmpty && name.kind == .string)
        for service in pool.services where service.fullName.hasPrefix("trellis.") {
            for method in service.methods { #expect(method.policy != nil, "\(method.path)") }
        }
    }

    @Test("files by path, by symbol and by extension, for reflection")
    func files() throws {
        let pool = DescriptorPool.trellis
        let path = "trellis/options/v1/options.proto"
        #expect(pool.file(named: path)?.package == "trellis.options.v1")
        for symbol in ["Policy", "Policy.permission", "Scope", "policy"] {
            #expect(pool.file(containing: "trellis.options.v1.\(symbol)")?.path == path, "\(symbol)")
        }
        #expect(pool.file(containing: "grpc.health.v1.Health.Check")?.path == "grpc/health/v1/health.proto")
        #expect(pool.file(containing: "trellis.None") == nil)
        #expect(pool.file(extending: "google.protobuf.MethodOptions", number: 50001)?.path == path)
        #expect(pool.extensionNumbers(of: "google.protobuf.FieldOptions") == [50002])
        for (index, file) in pool.files.enumerated() {
            let before = Set(pool.files[..<index].map(\.path))
            #expect(before.isSuperset(of: file.dependencies), "\(file.path) comes after what it imports")
        }
    }

    @Test("malformed descriptors are refused")
    func malformed() {
        #expect(throws: WireError.self) { try DescriptorPool(files: [[0xFF]]) }
        // A message A with a field of a type that is nowhere: { name: "A" field { name: "b" number: 1 type: 11 type_name: ".X" } }
        let field: [UInt8] = [0x0A, 1, 98, 0x18, 1, 0x28, 11, 0x32, 2, 46, 88]
        let message: [UInt8] = [0x0A, 1, 65, 0x12, UInt8(field.count)] + field
        #expect(throws: WireError.self) { try DescriptorPool(files: [[0x22, UInt8(message.count)] + message]) }
    }
}
