import RPCServer

/// Every service of the server.
enum Services {
    /// Registers the methods of all services.
    static func register(in router: Router) {
        router.register(tenancy: TenancyHandlers())
    }
}
