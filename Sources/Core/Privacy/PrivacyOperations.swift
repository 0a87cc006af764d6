public import Domain
internal import Postgres
public import TrellisAPI

/// What of this area goes on after a call was answered.
public enum PrivacyOperations {
    /// Collects everything about a subject.
    public static let export = OperationKind<ExportSubjectRequest, SubjectExport>(
        "privacy.export_subject",
        concurrency: 2
    )
    /// Erases a subject. The payload is a certificate as ``Erasures/begin(_:_:_:)`` makes it. One at a time, because it
    /// reads all of the tenant's rows.
    public static let erasure = OperationKind<ErasureCertificate, ErasureCertificate>(
        "privacy.erase_subject",
        concurrency: 1
    )

    /// Says how they are run.
    public static func register(in registry: inout JobRegistry, _ sources: PersonalDataSources) {
        registry.handle(export) { request, context in
            try await context.finish { work in
                try await Exports.make(request, work, sources) { done, total, message in
                    try await context.report(done: Int64(done), total: Int64(total), message: message)
                }
            }
        }
        registry.handle(erasure) { begun, context in
            guard begun.id.isEmpty else { return begun }
            let texts = try await context.write { work in try await Erasures.texts(begun, work, sources) }
            let platform = try await Erasures.searchPlatform(texts, context.database)
            return try await context.finish { work in
                try await Erasures.run(begun, platform, work, sources) { done, total, message in
                    try await context.report(done: Int64(done), total: Int64(total), message: message)
                }
            }
        }
    }
}
