import Domain
import Operations
import Tenancy

/// Everything that the server does in the background: each area says what of it is its own.
enum ServerJobs {
    /// All kinds of jobs and all schedules.
    static func registry() -> JobRegistry {
        var registry = JobRegistry()
        OutcomePurge.register(in: &registry)
        HouseJobs.register(in: &registry)
        UserPurge.register(in: &registry)
        return registry
    }
}
