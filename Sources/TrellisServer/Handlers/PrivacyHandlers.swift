import Credentials
import Domain
import EndUsers
import Privacy
import RPCServer
import Tenancy
import TrellisAPI

extension PersonalDataSources {
    /// Every part of this server that keeps personal data.
    static let everywhere = PersonalDataSources([EndUserData(), UserData(), SessionData()])
}

/// PrivacyService: each method as its use case.
struct PrivacyHandlers: PrivacyService {
    func exportSubject(_ request: ExportSubjectRequest, _ context: ServerContext) async throws -> LongRunningOperation {
        try await context.write(request) { work in
            try await work.startOperation(PrivacyOperations.export, try await Exports.begin(request, work, .everywhere))
        }
    }

    func eraseSubject(_ request: EraseSubjectRequest, _ context: ServerContext) async throws -> LongRunningOperation {
        try await context.write(request) { work in
            let begun = try await Erasures.begin(request, work, .everywhere)
            return try await work.startOperation(PrivacyOperations.erasure, begun, uniqueKey: begun.subjectID)
        }
    }

    func readSubjectExport(
        _ request: ReadSubjectExportRequest,
        _ responses: ResponseWriter<SubjectExportPart>,
        _ context: ServerContext
    ) async throws {
        let call = context.call
        let export = try await context.read(request) { try await Exports.open(request, $0) }
        try await Exports.read(export, call.scope, call.database, call.services.keyring) { part in
            try await responses.send(part)
        }
    }

    func getErasureCertificate(
        _ request: GetErasureCertificateRequest,
        _ context: ServerContext
    ) async throws -> ErasureCertificate {
        try await Erasures.certificate(request, context.call.scope, context.call.database)
    }

    func verifyErasureCertificate(
        _ request: VerifyErasureCertificateRequest,
        _ context: ServerContext
    ) async throws -> VerifyErasureCertificateResponse {
        let (tenant, keyring) = (context.call.scope.tenant, context.call.services.keyring)
        let genuine = request.certificate.map { Erasures.isGenuine($0, tenant, keyring) } ?? false
        return VerifyErasureCertificateResponse(genuine: genuine)
    }

    func placeLegalHold(_ request: PlaceLegalHoldRequest, _ context: ServerContext) async throws -> LegalHold {
        try await context.write(request) { work in try await LegalHolds.place(request, work, .everywhere) }
    }

    func releaseLegalHold(_ request: ReleaseLegalHoldRequest, _ context: ServerContext) async throws -> LegalHold {
        try await context.write(request) { work in try await LegalHolds.release(request, work) }
    }

    func listLegalHolds(
        _ request: ListLegalHoldsRequest,
        _ context: ServerContext
    ) async throws -> ListLegalHoldsResponse {
        try await LegalHolds.list(request, context.page(request), context.call.scope, context.call.database)
    }

    func tokenize(_ request: TokenizeRequest, _ context: ServerContext) async throws -> TokenizeResponse {
        try await context.write(request) { work in try await Tokens.make(request, work, .everywhere) }
    }

    func detokenize(_ request: DetokenizeRequest, _ context: ServerContext) async throws -> DetokenizeResponse {
        let keyring = context.call.services.keyring
        return try await context.read(request) { try await Tokens.resolve(request, $0, keyring) }
    }
}
