internal import COpenSSL
internal import Glibc

/// OpenSSL's way to a transport's socket. Not its own socket BIO: that one neither bounds what a turn reads nor knows that
/// a short read has emptied the socket, and asks the system once more.
enum SocketBIO {
    // @unchecked: immutable once made.
    private struct Method: @unchecked Sendable {
        let pointer: OpaquePointer?
    }

    private static let method: Method = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "trellis socket")
        BIO_meth_set_read(method, readSocket)
        BIO_meth_set_write(method, writeSocket)
        BIO_meth_set_ctrl(method, controlSocket)
        return Method(pointer: method)
    }()

    /// A BIO for a transport, which outlives it; nil when there is no memory.
    static func make(for transport: TLSTransport) -> OpaquePointer? {
        guard let method = method.pointer, let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(transport).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }
}

private func readSocket(_ bio: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
    trellis_bio_clear_retry(bio)
    guard let data = BIO_get_data(bio), let buffer else { return -1 }
    return Unmanaged<TLSTransport>.fromOpaque(data)._withUnsafeGuaranteedRef { transport in
        let read = transport.take(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)))
        if read == nil { trellis_bio_set_retry_read(bio) }
        return Int32(read ?? -1)
    }
}

private func writeSocket(_ bio: OpaquePointer?, _ buffer: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
    trellis_bio_clear_retry(bio)
    guard let data = BIO_get_data(bio), let buffer else { return -1 }
    return Unmanaged<TLSTransport>.fromOpaque(data)._withUnsafeGuaranteedRef { transport in
        let written = transport.give(UnsafeRawBufferPointer(start: buffer, count: Int(count)))
        if written == nil { trellis_bio_set_retry_write(bio) }
        return Int32(written ?? -1)
    }
}

private func controlSocket(_: OpaquePointer?, _ command: Int32, _: Int, _: UnsafeMutableRawPointer?) -> Int {
    // Nothing is kept here, so that a flush has nothing to do; everything else is not for this kind.
    command == BIO_CTRL_FLUSH ? 1 : 0
}
