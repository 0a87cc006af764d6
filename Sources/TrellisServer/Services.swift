import RPCServer
import RPCServices

/// Every service of the server.
enum Services {
    /// Registers the methods of all services.
    static func register(in router: Router, health: Health) {
        router.register(tenancy: TenancyHandlers())
        router.register(reference: ReferenceHandlers())
        router.register(search: SearchHandlers())
        router.register(health: health)
    }
}
