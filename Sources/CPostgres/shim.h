#include <libpq-fe.h>

// Ends a batch without a system call where libpq can (17 and newer); older ones write to the socket here.
static inline int trellis_pq_send_sync(PGconn *connection) {
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    return PQsendPipelineSync(connection);
#else
    return PQpipelineSync(connection);
#endif
}
