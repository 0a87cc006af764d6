internal import Domain
internal import Primitives
internal import Protobuf
internal import TrellisAPI

/// Shows events as far as a caller may see them: opens, masks or leaves out what is sealed in them.
struct AuditOpening {
    /// What stands for what nobody can read any more.
    static let erased = "[erased]"

    private let keys: [UUID: SubjectKey]
    private let isWhole: Bool

    /// Takes the keys that there still are.
    init(_ rows: [AuditSubjectKeysRow], _ view: PersonalView) throws(KeyringError) {
        var keys: [UUID: SubjectKey] = [:]
        for row in rows { keys[row.subjectID] = try view.keyring.subject(row.subjectID, sealed: row.sealedKey) }
        self.keys = keys
        isWhole = view.isWhole
    }

    /// The keys of everybody whose data is sealed in events.
    static func keys(
        of rows: [AuditEventRow],
        _ trail: AuditTrail,
        _ run: (AuditSubjectKeys) async throws -> [AuditSubjectKeysRow]
    ) async throws -> [AuditSubjectKeysRow] {
        var subjects: Set<UUID> = []
        for row in rows {
            for text in [row.targets, row.request] where text.contains(SealedValue.member) {
                SealedValue.walk(parsed(text)) { subjects.insert($0.subject) }
            }
        }
        if subjects.isEmpty { return [] }
        return try await run(AuditSubjectKeys(tenantID: trail.tenant, subjects: Array(subjects)))
    }

    /// An event as the API shows it.
    func event(_ row: AuditEventRow) -> AuditEvent {
        let targets = Self.parsed(row.targets).elements
        return AuditEvent(
            id: row.auditEventID.text,
            createTime: Timestamp(row.createTime),
            category: AuditCategory(rawValue: Int32(row.category)),
            actor: AuditActor(
                kind: row.actorKind,
                principalID: row.principalID == .zero ? "" : row.principalID.text,
                userID: row.userID?.text ?? ""
            ),
            method: row.method,
            targets: targets.map(Self.name),
            outcome: row.outcome,
            reason: row.reason,
            calls: row.calls,
            address: row.address,
            callID: row.callID,
            changes: targets.filter { $0["old"] != nil || $0["new"] != nil }.map { target in
                AuditChange(
                    target: Self.name(target),
                    oldJSON: target["old"].map { shown($0).written() } ?? "",
                    newJSON: target["new"].map { shown($0).written() } ?? ""
                )
            },
            requestJSON: shown(Self.parsed(row.request)).written()
        )
    }

    private static func name(_ target: JSONValue) -> String {
        "\(target["type"]?.text ?? "")/\(target["id"]?.text ?? "")"
    }

    /// What a column holds. One that was changed to be no JSON is for VerifyAuditChain to name.
    private static func parsed(_ text: String) -> JSONValue { (try? JSONValue(parsing: text)) ?? .string(text) }

    private func shown(_ value: JSONValue) -> JSONValue {
        if let sealed = SealedValue(value) { return shown(sealed) }
        switch value {
        case .array(let elements): return .array(elements.map(shown))
        case .object(let members): return .object(members.map { ($0.key, shown($0.value)) })
        default: return value
        }
    }

    private func shown(_ sealed: SealedValue) -> JSONValue {
        guard let key = keys[sealed.subject] else { return .string(Self.erased) }
        // Sealed for another place: it was moved here, which VerifyAuditChain finds, too.
        guard let opened = try? sealed.open(key) else { return .string(Self.erased) }
        if isWhole { return opened }
        guard let text = opened.text else { return .string("…") }
        return .string(text.contains("@") ? text.maskedEmail : text.masked)
    }
}

extension JSONValue {
    /// The elements of an array; none of anything else.
    fileprivate var elements: [JSONValue] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }
}
