internal import Domain
internal import Primitives
internal import Protobuf
internal import TrellisAPI

extension EndUser {
    /// Where what is personal about an end user is sealed for.
    static let place = "end user"

    /// What is personal, sealed.
    func sealedPersonal(_ key: SubjectKey) -> [UInt8] {
        let own = EndUser(
            displayName: displayName,
            profileJSON: profileJSON.orEmptyObject,
            preferencesJSON: preferencesJSON.orEmptyObject,
            identities: identities
        )
        return key.seal(own.serialized(), place: Self.place)
    }
}

extension EndUserRow {
    /// The end user, as far as the viewer may see them; without anything personal once they were erased.
    func endUser(_ view: PersonalView) throws -> EndUser {
        var endUser = EndUser()
        if let key = try view.keyring.subject(endUserID, sealed: sealedKey) {
            let own = try EndUser(serialized: key.open(personal, place: EndUser.place))
            if view.isWhole {
                endUser = own
            } else {
                endUser.displayName = own.displayName.masked
                endUser.identities = own.identities.map(\.masked)
            }
        }
        endUser.id = endUserID.text
        endUser.timeZone = timeZone
        endUser.language = language
        endUser.state = EndUser.State(rawValue: Int32(state))
        endUser.lastActiveTime = Timestamp(lastActiveTime)
        endUser.mergedIntoID = mergedInto?.text ?? ""
        endUser.createTime = Timestamp(createTime)
        endUser.updateTime = Timestamp(updateTime)
        endUser.deleteTime = deleteTime.map { Timestamp($0) }
        endUser.purgeTime = purgeTime.map { Timestamp($0) }
        endUser.etag = "\(version)"
        return endUser
    }

    /// The end user as whoever changes them needs them. Refuses one who is deleted, an alias, or erased.
    func live(_ keyring: Keyring) throws -> (EndUser, SubjectKey) {
        if let mergedInto { throw Self.isMerged(endUserID, into: mergedInto) }
        guard deleteTime == nil else { throw Self.isDeleted(endUserID) }
        guard let key = try keyring.subject(endUserID, sealed: sealedKey) else { throw Self.isErased(endUserID) }
        return (try endUser(.whole(keyring)), key)
    }

    static func isDeleted(_ id: UUID) -> DomainError {
        refusal("END_USER_DELETED", id, "is deleted: restore them first, with UndeleteEndUser")
    }

    static func isMerged(_ id: UUID, into target: UUID) -> DomainError {
        refusal("END_USER_MERGED", id, "was merged into end user \(target): name that one")
    }

    static func isErased(_ id: UUID) -> DomainError {
        refusal("SUBJECT_ERASED", id, "was erased: nothing can be changed about them any more")
    }

    /// That an end user is not as a call needs them.
    static func refusal(_ reason: String, _ id: UUID, _ what: String) -> DomainError {
        .failedPrecondition(
            .init(reason: reason, subject: "endUsers/\(id)", description: "end user \(id) \(what)")
        )
    }
}
