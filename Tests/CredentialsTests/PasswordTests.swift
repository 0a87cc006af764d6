import Domain
import EventLoop
import Primitives
import Protobuf
import TestSupport
import Testing

@testable import Credentials

@Suite("Passwords")
struct PasswordTests {
    static let cheap = PasswordCost(memoryKiB: 64, passes: 1)

    @Test("a hash is of Argon2id, has its cost and a salt of its own, and only its password fits")
    func hashes() async throws {
        let passwords = Passwords(cost: Self.cheap, atOnce: 1)
        let hash = try await passwords.hash("correct horse battery")
        #expect(hash.hasPrefix("$argon2id$v=19$m=64,t=1,p=1$"))
        #expect(try await passwords.hash("correct horse battery") != hash)
        #expect(try await passwords.verify("correct horse battery", hash) == .right(rehashed: nil))
        for other in ["correct horse batterx", "", "correct horse battery ", "correct horse battery\u{0}"] {
            #expect(try await passwords.verify(other, hash) == .wrong)
        }
        #expect(try await passwords.verify("x", "no hash") == .wrong)
        #expect(try await passwords.verify("x", String(repeating: "$argon2id$", count: 100)) == .wrong)
    }

    @Test("when the cost rises, a right password gives the hash to keep from now on")
    func rehash() async throws {
        let old = try await Passwords(cost: Self.cheap, atOnce: 1).hash("correct horse battery")
        let raised = Passwords(cost: PasswordCost(memoryKiB: 128, passes: 2), atOnce: 1)
        #expect(try await raised.verify("wrong horse battery", old) == .wrong)
        guard case .right(let fresh?) = try await raised.verify("correct horse battery", old) else {
            Issue.record("no new hash")
            return
        }
        #expect(fresh.hasPrefix("$argon2id$v=19$m=128,t=2,p=1$"))
        #expect(try await raised.verify("correct horse battery", fresh) == .right(rehashed: nil))
    }

    @Test(
        "an account that is not there costs what one costs that is: its hash is one that libsodium reads, and nobody has"
    )
    func nobody() async throws {
        let nobody = Argon2id.impossible(Self.cheap)
        #expect(!Argon2id.needsRehash(nobody, Self.cheap))
        #expect(Argon2id.needsRehash(nobody, PasswordCost(memoryKiB: 128, passes: 1)))
        #expect(nobody.utf8.count == (Argon2id.hash([1], Self.cheap) ?? "").utf8.count)
        #expect(try await Passwords(cost: Self.cheap, atOnce: 1).verify("anything at all", nil) == .wrong)
    }

    @Test("passwords are hashed off the loop, in turn, and whoever comes when too many wait is refused")
    func turns() async throws {
        try await onLoop { loop in
            let passwords = Passwords(cost: Self.cheap, atOnce: 1)
            let extra = 40
            let outcomes = await withTaskGroup(of: String.self) { tasks in
                for _ in 0..<(Passwords.maximumWaiting + 1 + extra) {
                    tasks.addTask(executorPreference: loop.taskExecutor) {
                        do {
                            _ = try await passwords.hash("correct horse battery")
                            return "hashed"
                        } catch {
                            return (error as? DomainError)?.reason ?? "\(error)"
                        }
                    }
                }
                return await tasks.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(outcomes == ["hashed": Passwords.maximumWaiting + 1, "SIGN_IN_OVERLOAD": extra])
            // Nobody's turn was lost.
            let late = try await passwords.hash("correct horse battery")
            #expect(late.hasPrefix("$argon2id$"))
        }
    }

    @Test(
        "a new password is long, none of the commonest, and not one's own address or name",
        arguments: [
            ("elevenbytes", false), ("twelve bytes", true), (String(repeating: "é", count: 6), false),
            ("päßwörter und so", true), (String(repeating: "abcdefgh", count: 128), true),
            (String(repeating: "abcdefgh", count: 128) + "i", false), ("aaaaaaaaaaaaaaaa", false),
            ("abababababab", false), ("Password1234", false), ("QWERTY123456", false),
            ("correct horse battery staple", false), ("ana.torres@example.com", false),
            ("ANA.TORRES@example.com", false),
            ("Ana.TorresAndrade", true), ("ana torres quispe", false), ("AnaTorresQuispe", false),
        ]
    )
    func policy(password: String, isAllowed: Bool) {
        let (email, name) = ("ana.torres@example.com", "Ana Torres Quispe")
        var problem: DomainError?
        do throws(DomainError) {
            try PasswordPolicy.check(password, field: "new_password", email: email, name: name)
        } catch {
            problem = error
        }
        #expect((problem == nil) == isAllowed, "\(password): \(problem?.message ?? "allowed")")
        guard let problem else { return }
        guard case .invalid(let violations) = problem else {
            Issue.record("\(problem)")
            return
        }
        #expect(violations.map(\.field) == ["new_password"])
        // The error does not repeat the password.
        let repeats = problem.message.contains(password)
        #expect(!repeats)
    }

    @Test("tokens name their rows, prove themselves by their hash, and are told apart from each other")
    func tokens() throws {
        let (tenant, session) = (UUID.v7(), UUID.v7())
        let token = RefreshToken(tenant: tenant, session: session)
        let read = try #require(RefreshToken(token.text))
        #expect((read.tenant, read.session) == (tenant, session) && read.hash == token.hash)
        #expect(RefreshToken(tenant: tenant, session: session).hash != token.hash)
        #expect(ResetToken(token.text) == nil)
        for wrong in ["", "trr_", String(token.text.dropLast()), token.text + "0", "trp_" + token.text.dropFirst(4)] {
            #expect(RefreshToken(wrong) == nil)
        }
        #expect(RefreshToken(RefreshToken(tenant: .zero, session: session).text) == nil)
    }
}
