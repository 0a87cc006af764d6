public import Domain
internal import Postgres
internal import Primitives
public import TrellisAPI

/// Tokens that stand for personal texts where the texts must not go, such as in prompts of a language model that somebody
/// else runs.
///
/// A token is a code of the text under its subject's key, so it is the same each time and nobody can make one up. Once
/// the key is gone nobody can even try out which text it was.
public enum Tokens {
    /// Where texts are sealed for.
    static let place = "token"
    /// Of the code's 32 bytes: nobody guesses one out of 2^128.
    private static let codeBytes = 16

    /// Returns a token for each text.
    public static func make(
        _ request: TokenizeRequest,
        _ work: Work,
        _ sources: PersonalDataSources
    ) async throws -> TokenizeResponse {
        let subject = try await sources.find(request.subjectKind, request.subjectID, work)
        guard let key = try await work.subject(subject.id) else { throw subject.isErased }
        work.audit.isAbout(key)
        work.audit.target("subject", subject.id.text)
        let tokens = request.texts.map { text in
            "tok_" + Base32.encode(Array(key.code(text, purpose: "token \(request.kind)").prefix(codeBytes)))
        }
        // In an order that all keep, because who inserts the same waits.
        let inserts = zip(tokens, request.texts).sorted { $0.0 < $1.0 }.map { token, text in
            SubjectTokenInsert(
                tenantID: work.scope.tenant,
                token: token,
                subjectID: subject.id,
                kind: request.kind,
                sealedText: key.seal(Array(text.utf8), place: place)
            )
        }
        _ = try await work.transaction.run(all: inserts)
        return TokenizeResponse(tokens: tokens)
    }

    /// Returns what each token stands for.
    public static func resolve(
        _ request: DetokenizeRequest,
        _ reading: Reading,
        _ keyring: Keyring
    ) async throws -> DetokenizeResponse {
        let query = SubjectTokenGet(tenantID: reading.scope.tenant, tokens: request.tokens)
        var known: [String: TokenText] = [:]
        for row in try await reading.transaction.run(query) {
            known[row.token] = try row.text(keyring)
            reading.audit.target("subject", row.subjectID.text)
        }
        return DetokenizeResponse(texts: request.tokens.map { known[$0] ?? TokenText(token: $0) })
    }
}

extension SubjectTokenRow {
    /// What the token stands for.
    func text(_ keyring: Keyring) throws -> TokenText {
        guard let key = try keyring.subject(subjectID, sealed: sealedKey) else { return TokenText(token: token) }
        let text = try key.open(sealedText, place: Tokens.place)
        return TokenText(
            token: token,
            text: String(decoding: text, as: UTF8.self),
            kind: kind,
            subjectID: subjectID.text
        )
    }
}
