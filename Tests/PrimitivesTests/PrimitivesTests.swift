import Primitives
import Testing

@Suite("UUID")
struct UUIDTests {
    @Test("text form round-trips and is lower case")
    func text() throws {
        let id = try #require(UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"))
        #expect(id.text == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
        #expect(id.version == 7)
        #expect(id.withUnsafeBytes { UUID(bytes: $0) } == id)
    }

    @Test(
        "what is not a UUID is refused",
        arguments: [
            "", "017f22e2", "017f22e279b07cc398c4dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0", "017f22e2-79b0-7cc3-98c4dc-0c0c07398f",
        ]
    )
    func refused(text: String) { #expect(UUID(text) == nil) }

    @Test("version 7 sorts by time and carries version and variant")
    func version7() {
        let early = UUID.v7(at: Instant(microseconds: 1_700_000_000_000_000))
        let late = UUID.v7(at: Instant(microseconds: 1_700_000_000_001_000))
        #expect(early < late)
        #expect(early.text < late.text)
        #expect(early.version == 7)
        #expect(early.low >> 62 == 2)
        #expect(UUID.v4().version == 4)
        #expect(Set((0..<1000).map { _ in UUID.v7() }).count == 1000)
    }
}

@Suite("RFC 3339")
struct InstantTests {
    @Test(
        "known instants",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2000-02-29T12:00:00Z", 951_825_600_000_000),
            ("1969-12-31T23:59:59.999999Z", -1), ("2026-11-21T03:10:00.5Z", 1_795_230_600_500_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000), ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
        ] as [(String, Int64)]
    )
    func known(text: String, microseconds: Int64) throws {
        let instant = try #require(Instant(rfc3339: text))
        #expect(instant.microseconds == microseconds)
        #expect(Instant(rfc3339: instant.rfc3339) == instant)
    }

    @Test("offsets are applied")
    func offset() {
        #expect(Instant(rfc3339: "2026-01-01T01:30:00+01:30") == Instant(rfc3339: "2026-01-01T00:00:00Z"))
        #expect(Instant(rfc3339: "2025-12-31T19:00:00-05:00") == Instant(rfc3339: "2026-01-01T00:00:00Z"))
    }

    @Test(
        "impossible ones are refused",
        arguments: [
            "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01", "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "0000-01-01T00:00:00Z", "2026-04-31T00:00:00Z",
        ]
    )
    func refused(text: String) { #expect(Instant(rfc3339: text) == nil) }

    @Test("every day of four centuries round-trips")
    func everyDay() {
        for day in stride(from: Int64(-146_097), to: 146_097, by: 1) {
            let instant = Instant(microseconds: day * 86_400_000_000)
            #expect(Instant(rfc3339: instant.rfc3339) == instant)
        }
    }
}

@Suite("Encodings")
struct EncodingTests {
    @Test(
        "base 64 vectors of RFC 4648",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy"),
        ]
    )
    func base64(plain: String, encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
        #expect(Base64.decode(encoded.filter { $0 != "=" }) == Array(plain.utf8))
    }

    @Test("what is not base 64 is refused", arguments: ["A", "Zg=", "Zg===", "Z!==", "Zh==", "=Zg=", "Zm9=v"])
    func base64Refused(text: String) { #expect(Base64.decode(text) == nil) }

    @Test("both alphabets are read, the URL-safe one is written on request")
    func base64URL() {
        let bytes: [UInt8] = [0xfb, 0xff, 0xfe]
        #expect(Base64.encode(bytes) == "+//+")
        #expect(Base64.encodeURL(bytes) == "-__-")
        #expect(Base64.decode("-__-") == bytes)
    }

    @Test("hexadecimal and base 32")
    func others() {
        #expect(Hex.encode([0, 255, 16]) == "00ff10")
        #expect(Hex.decode("00FF10") == [0, 255, 16])
        #expect(Hex.decode("0") == nil)
        #expect(Hex.decode("0g") == nil)
        #expect(Base32.encode([0xff, 0x00, 0xff]) == "zw0fy")
    }
}

@Suite("Cryptography")
struct CryptographyTests {
    @Test("SHA-256 of abc")
    func sha256() {
        #expect(
            Hex.encode(SHA256.hash(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
    }

    @Test("what is sealed opens in its context only, and only unchanged")
    func sealing() throws {
        let key = SealingKey.random()
        for plaintext in [[], [1], Array(repeating: 7, count: 1000)] as [[UInt8]] {
            let sealed = key.seal(plaintext, context: [1, 2])
            #expect(key.open(sealed, context: [1, 2]) == plaintext)
            #expect(key.open(sealed, context: [1, 3]) == nil)
            #expect(SealingKey.random().open(sealed, context: [1, 2]) == nil)
            for index in sealed.indices {
                var changed = sealed
                changed[index] ^= 1
                #expect(key.open(changed, context: [1, 2]) == nil)
            }
            #expect(key.open(Array(sealed.dropLast()), context: [1, 2]) == nil)
        }
    }

    @Test("comparison in constant time compares")
    func compare() {
        #expect(constantTimeEqual([1, 2], [1, 2]))
        #expect(!constantTimeEqual([1, 2], [1, 3]))
        #expect(!constantTimeEqual([1, 2], [1]))
    }
}
