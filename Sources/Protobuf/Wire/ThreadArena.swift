internal import CProtobufC
internal import Glibc

extension Arena {
    /// The key under which each thread keeps its arena; a thread that ends frees it.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let result = pthread_key_create(&key) { Unmanaged<Arena>.fromOpaque($0!).release() }
        precondition(result == 0, "no thread-local key left for the arena (pthread_key_create answered \(result))")
        return key
    }()

    /// This thread's arena, made at its first use.
    @usableFromInline
    static var ofThread: Arena {
        if let pointer = pthread_getspecific(key) {
            return Unmanaged<Arena>.fromOpaque(pointer).takeUnretainedValue()
        }
        let arena = Arena()
        pthread_setspecific(key, Unmanaged.passRetained(arena).toOpaque())
        return arena
    }
}
