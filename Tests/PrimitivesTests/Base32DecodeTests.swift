import Primitives
import Testing

@Suite("Base 32")
struct Base32DecodeTests {
    @Test("decoding undoes encoding at every length")
    func roundTrip() {
        for count in 0..<70 {
            let bytes = SecureRandom.bytes(count)
            #expect(Base32.decode(Base32.encode(bytes)) == bytes)
            #expect(Base32.decode(Base32.encode(bytes).uppercased()) == bytes)
        }
    }

    @Test("what no encoder writes is refused", arguments: ["l", "0", "zz!", "iiiiiiii", "zw0f", "01", "ÿ0"])
    func refusals(text: String) {
        #expect(Base32.decode(text) == nil)
    }
}
