#include <uv.h>
// Swift's Glibc module leaves this header out.
#include <sys/timerfd.h>

// Calls that glibc declares only for _GNU_SOURCE, which Swift's Glibc module is built without.
extern int accept4(int socket, void *address, void *length, int flags);
extern int pthread_setname_np(unsigned long thread, const char *name);
