// Shows ThreadSanitizer what Swift's Mutex does when it is contended. scripts/sanitize loads it into the tests.
//
// The quick path of Mutex is compiled into our code, where the sanitizer sees its atomics. The slow paths are in
// libswiftSynchronization, which is not instrumented: there the kernel hands the lock over (FUTEX_LOCK_PI), and without
// these edges everything that a contended Mutex protects is reported as a race. The two functions below stand before
// that library's; they tell the sanitizer and call them. A Swift whose Mutex has other slow paths brings the reports
// back and hides none.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

// In the program when it is instrumented; `swift test` itself, which loads this too, is not.
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

typedef SWIFT void (*LockSlow)(uint32_t thread, SELF);
typedef SWIFT void (*UnlockSlow)(SELF);

static void *next(const char *symbol) {
    void *function = dlsym(RTLD_NEXT, symbol);
    if (!function) abort();
    return function;
}

// _MutexHandle._lockSlow(_: UInt32)
SWIFT void lockSlow(uint32_t thread, SELF) __asm__(LOCK_SLOW);
SWIFT void lockSlow(uint32_t thread, SELF) {
    ((LockSlow)next(LOCK_SLOW))(thread, self);
    if (__tsan_acquire) __tsan_acquire(self);
}

// _MutexHandle._unlockSlow()
SWIFT void unlockSlow(SELF) __asm__(UNLOCK_SLOW);
SWIFT void unlockSlow(SELF) {
    if (__tsan_release) __tsan_release(self);
    ((UnlockSlow)next(UNLOCK_SLOW))(self);
}
