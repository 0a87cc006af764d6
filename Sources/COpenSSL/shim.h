#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// What OpenSSL has as macros, which Swift does not see.

static inline int trellis_ssl_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}
static inline void trellis_ssl_set_owner(SSL *ssl, void *owner) { SSL_set_app_data(ssl, owner); }
static inline void *trellis_ssl_owner(const SSL *ssl) { return SSL_get_app_data(ssl); }

// The peer's certificate after its verification failed, when it is not the session's yet; NULL when there is none.
static inline X509 *trellis_ssl_refused_certificate(const SSL *ssl) {
    const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    return chain && sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;
}

static inline void trellis_ctx_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }
static inline int trellis_ctx_set_versions(SSL_CTX *context, int minimum, int maximum) {
    return SSL_CTX_set_min_proto_version(context, minimum) == 1 && SSL_CTX_set_max_proto_version(context, maximum) == 1;
}
static inline int trellis_ctx_set_groups(SSL_CTX *context, const char *groups) {
    return (int)SSL_CTX_set1_groups_list(context, groups);
}
static inline void trellis_ctx_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}
static inline void trellis_ctx_set_read_ahead(SSL_CTX *context, int on) { SSL_CTX_set_read_ahead(context, on); }
static inline int trellis_ctx_set_ticket_callback(
    SSL_CTX *context,
    int (*callback)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, EVP_MAC_CTX *, int)
) {
    return (int)SSL_CTX_set_tlsext_ticket_key_evp_cb(context, callback);
}
// Makes a MAC HMAC-SHA-256. Here, because parameters keep pointers to their names.
static inline int trellis_mac_set_key(EVP_MAC_CTX *mac, const unsigned char *key, size_t count) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key, count),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters);
}
static inline void trellis_ctx_set_owner(SSL_CTX *context, void *owner) { SSL_CTX_set_app_data(context, owner); }
static inline void *trellis_ctx_owner(const SSL_CTX *context) { return SSL_CTX_get_app_data(context); }

static inline void trellis_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void trellis_bio_set_retry_write(BIO *bio) { BIO_set_retry_write(bio); }
static inline void trellis_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

static inline int trellis_names_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
static inline const GENERAL_NAME *trellis_names_at(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}
// The bytes of a DNS name or a URI (both are IA5 strings); 0 for any other kind.
static inline int trellis_name_text(const GENERAL_NAME *name, int *kind, const unsigned char **text) {
    const ASN1_STRING *string = (const ASN1_STRING *)GENERAL_NAME_get0_value(name, kind);
    if (*kind != GEN_DNS && *kind != GEN_URI) return 0;
    *text = ASN1_STRING_get0_data(string);
    return ASN1_STRING_length(string);
}

// RFC 2253, but with letters that are no ASCII as they are.
static const unsigned long trellis_name_style = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
static const int trellis_alert_no_application_protocol = SSL_AD_NO_APPLICATION_PROTOCOL;
static const unsigned trellis_extension_alpn = TLSEXT_TYPE_application_layer_protocol_negotiation;
static const long trellis_mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    | SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY;
static const uint64_t trellis_options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
static const uint64_t trellis_option_server_preference = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const long trellis_cache_off = SSL_SESS_CACHE_OFF;
static const long trellis_cache_client_external = SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL;
