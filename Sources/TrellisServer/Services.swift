import Protobuf
import RPCServer
import RPCServices
import TrellisAPI

/// Every service of the server.
enum Services {
    /// What tools are told of the contract.
    private static let reflection = Reflection(.trellis)

    /// What JSON of every method is made by.
    static let transcoder = DescriptorTranscoder(.trellis)

    /// Registers the methods of all services.
    static func register(in router: Router, health: Health, _ table: LoopTable) {
        router.register(tenancy: TenancyHandlers())
        router.register(access: AccessHandlers())
        router.register(plan: PlanHandlers())
        router.register(endUser: EndUserHandlers())
        router.register(privacy: PrivacyHandlers())
        router.register(credential: CredentialHandlers(table: table))
        router.register(admission: AdmissionHandlers())
        router.register(reference: ReferenceHandlers())
        router.register(search: SearchHandlers())
        router.register(operations: OperationsHandlers())
        router.register(jobs: JobsHandlers())
        router.register(audit: AuditHandlers())
        router.register(health: health)
        router.register(reflection: reflection)
    }
}
