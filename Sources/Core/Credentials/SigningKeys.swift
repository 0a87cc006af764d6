public import Domain
public import Postgres
internal import Primitives
internal import Protobuf
public import TrellisAPI

/// The keys that access tokens are signed with. One signs; the next is published before it does, so that whoever keeps
/// the published ones finds it there; the one before stays published until what it has signed has run out.
public enum SigningKeys {
    private static let next: Int16 = 1
    private static let current: Int16 = 2

    /// Makes the first keys when there are none. Safe when several servers start at the same time. On the database's
    /// loop.
    public static func ensure(_ keyring: Keyring, _ database: Database) async throws(PostgresError) {
        _ = try await database.run(
            insert(current, keyring),
            insert(next, keyring),
            settings: Scope.platformSettings
        )
    }

    /// Signs with the next key from now on.
    public static func rotate(_ work: Work) async throws -> SigningKey {
        _ = try await work.transaction.run(SigningKeysLock())
        let (_, activated, _) = try await work.transaction.run(
            SigningKeyRetire(),
            SigningKeyActivate(),
            insert(next, work.keyring)
        )
        guard let activated else {
            throw PostgresError(.protocol, "trellis.signing_key has no next key: start a server, which makes one")
        }
        return activated
    }

    /// Returns a page of the keys.
    public static func list(
        _ page: Page,
        _ scope: Scope,
        _ database: Database
    ) async throws -> ListSigningKeysResponse {
        let rows = try await database.run(
            SigningKeyList(after: try page.after, count: Int64(page.count)),
            scope.settings
        )
        var response = ListSigningKeysResponse()
        (response.signingKeys, response.nextPageToken) = page.cut(rows, id: \.id)
        return response
    }

    /// The keys that tokens are verified with. On the database's loop.
    public static func published(_ database: Database) async throws(PostgresError) -> JwkSet {
        let rows = try await database.run(SigningKeysPublished(), Scope.platformSettings)
        return JwkSet(
            keys: rows.map { row in
                Jwk(
                    kty: "OKP",
                    crv: "Ed25519",
                    kid: row.signingKeyID.text,
                    x: Base64.encodeURL(row.publicKey),
                    alg: "EdDSA",
                    use: "sig"
                )
            }
        )
    }

    /// The key set as RFC 7517 writes it, in JSON.
    public static func document(_ set: JwkSet) -> String {
        let keys = JSONValue.object([
            (
                "keys",
                .array(
                    set.keys.map { key in
                        .object([
                            ("kty", .string(key.kty)), ("crv", .string(key.crv)), ("kid", .string(key.kid)),
                            ("x", .string(key.x)), ("alg", .string(key.alg)), ("use", .string(key.use)),
                        ])
                    }
                )
            )
        ])
        return keys.written()
    }

    /// The key that signs, of its row.
    static func open(_ row: SigningKeyCurrentRow, _ keyring: Keyring) throws(KeyringError) -> Ed25519.PrivateKey {
        let seed = sealing(keyring).open(row.sealedPrivateKey, context: row.signingKeyID.bytes)
        guard let seed, seed.count == Ed25519.keyBytes else {
            throw .forged(subject: row.signingKeyID, place: "signing key")
        }
        return Ed25519.PrivateKey(seed: seed)
    }

    private static func insert(_ state: Int16, _ keyring: Keyring) -> SigningKeyInsert {
        let (id, key) = (UUID.v7(), Ed25519.PrivateKey.random())
        return SigningKeyInsert(
            signingKeyID: id,
            state: state,
            publicKey: key.publicKey,
            sealedPrivateKey: sealing(keyring).seal(key.seed, context: id.bytes)
        )
    }

    private static func sealing(_ keyring: Keyring) -> SealingKey { SealingKey(keyring.derived("signing keys")) }
}
