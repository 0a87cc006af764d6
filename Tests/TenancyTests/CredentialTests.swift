import Primitives
import Tenancy
import Testing

@Suite("Credentials")
struct CredentialTests {
    @Test("a secret says whose it is, and reads back")
    func roundTrip() throws {
        let (tenant, key) = (UUID.v7(), UUID.v7())
        let made = Credential(owner: .tenant(tenant), key: key)
        #expect(made.secret.hasPrefix("trl_tenant_"))
        let read = try #require(Credential(secret: made.secret))
        #expect(read == made && read.owner == .tenant(tenant) && read.key == key)
        let platform = Credential(owner: .platform, key: key)
        #expect(platform.secret.hasPrefix("trl_platform_"))
        #expect(try #require(Credential(secret: platform.secret)).owner == .platform)
    }

    @Test("two secrets of one key differ, and so do their hashes")
    func random() {
        let (tenant, key) = (UUID.v7(), UUID.v7())
        let (one, two) = (Credential(owner: .tenant(tenant), key: key), Credential(owner: .tenant(tenant), key: key))
        #expect(one.secret != two.secret && one.hash != two.hash && one.hash.count == 32)
    }

    @Test("one wrong character anywhere is found by the checksum")
    func checksum() {
        let secret = Array(Credential(owner: .tenant(.v7()), key: .v7()).secret)
        for index in secret.indices where secret[index] != "_" {
            var changed = secret
            changed[index] = changed[index] == "7" ? "8" : "7"
            #expect(Credential(secret: String(changed)) == nil, "position \(index)")
        }
        #expect(Credential(secret: String(secret.dropLast())) == nil)
        #expect(Credential(secret: String(secret) + "_x") == nil)
    }

    @Test(
        "text that is no secret is refused",
        arguments: ["", "trl", "trl___", "trl_tenant__", "Bearer x", String(repeating: "_", count: 3), "é_é_é_é"]
    )
    func garbage(text: String) {
        #expect(Credential(secret: text) == nil)
    }

    @Test("what people see of a secret does not give it away")
    func obfuscated() {
        let credential = Credential(owner: .tenant(.v7()), key: .v7())
        #expect(credential.obfuscated.count < 20)
        #expect(credential.obfuscated.hasPrefix("trl_tenant_…"))
    }
}
