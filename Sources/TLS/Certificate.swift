internal import COpenSSL
internal import Glibc
internal import HTTP2

/// What is read out of certificates.
enum Certificate {
    /// Who a certificate is for.
    static func identity(_ certificate: OpaquePointer) -> PeerIdentity {
        let names = alternativeNames(certificate)
        return PeerIdentity(
            subject: subject(certificate),
            dnsNames: names.filter { $0.kind == GEN_DNS }.map(\.text),
            uris: names.filter { $0.kind == GEN_URI }.map(\.text),
            fingerprint: fingerprint(certificate)
        )
    }

    /// The DNS names that it is for.
    static func dnsNames(_ certificate: OpaquePointer) -> [String] {
        alternativeNames(certificate).filter { $0.kind == GEN_DNS }.map(\.text)
    }

    /// The last moment of its validity, in seconds since the Unix epoch; nil when its date is none.
    static func expiry(_ certificate: OpaquePointer) -> Int64? {
        var date = tm()
        guard ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &date) == 1 else { return nil }
        return Int64(timegm(&date))
    }

    /// Whether its time is over.
    static func hasExpired(_ certificate: OpaquePointer) -> Bool {
        X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0
    }

    private static func subject(_ certificate: OpaquePointer) -> String {
        guard let memory = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(memory) }
        let name = X509_get_subject_name(certificate)
        guard X509_NAME_print_ex(memory, name, 0, trellis_name_style) >= 0 else { return "" }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = BIO_read(memory, &bytes, Int32(bytes.count))
        return count > 0 ? String(decoding: bytes[..<Int(count)], as: UTF8.self) : ""
    }

    private static func fingerprint(_ certificate: OpaquePointer) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        guard X509_digest(certificate, EVP_sha256(), &digest, nil) == 1 else { return "" }
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Names with a NUL in them, which others would cut short, are left out.
    private static func alternativeNames(_ certificate: OpaquePointer) -> [(kind: Int32, text: String)] {
        guard let names = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
        let list = OpaquePointer(names)
        defer { GENERAL_NAMES_free(list) }
        var found: [(kind: Int32, text: String)] = []
        for index in 0..<trellis_names_count(list) {
            var kind: Int32 = 0
            var text: UnsafePointer<UInt8>?
            let count = Int(trellis_name_text(trellis_names_at(list, index), &kind, &text))
            guard count > 0, let text else { continue }
            let bytes = UnsafeBufferPointer(start: text, count: count)
            if !bytes.contains(0) { found.append((kind, String(decoding: bytes, as: UTF8.self))) }
        }
        return found
    }
}
