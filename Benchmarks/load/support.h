/* What the load generator needs beside HTTP/2: errors, clocks, numbers, a message. */
#ifndef SUPPORT_H
#define SUPPORT_H
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  exit(1);
}

static inline uint64_t clock_of(clockid_t id) {
  struct timespec t;
  if (clock_gettime(id, &t)) fail("a clock cannot be read: %s", strerror(errno));
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static inline uint64_t now(void) { return clock_of(CLOCK_MONOTONIC); }

/* What one machine and two processes have used so far, in nanoseconds. */
typedef struct {
  uint64_t wall, server, load, machine;
} usage_t;

static inline usage_t usage(pid_t server_pid) {
  usage_t u = {.wall = now(), .load = clock_of(CLOCK_PROCESS_CPUTIME_ID)};
  clockid_t id;
  if (server_pid) {
    if (clock_getcpuclockid(server_pid, &id)) fail("there is no process %d", server_pid);
    u.server = clock_of(id);
  }
  unsigned long long f[8] = {0};
  FILE *stat = fopen("/proc/stat", "r");
  if (!stat || fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", f, f + 1, f + 2, f + 3, f + 4, f + 5, f + 6, f + 7) != 8)
    fail("/proc/stat cannot be read");
  fclose(stat);
  /* user, nice, system, irq, softirq, steal */
  u.machine = (f[0] + f[1] + f[2] + f[5] + f[6] + f[7]) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
  return u;
}

static inline uint64_t number(const char *text, const char *what, uint64_t low, uint64_t high) {
  char *end;
  unsigned long long value = strtoull(text, &end, 10);
  if (*end || value < low || value > high) fail("%s is %s; it must be %llu to %llu", what, text, (unsigned long long)low, (unsigned long long)high);
  return value;
}

/* A framed message of bench.EchoMessage. */
static inline uint8_t *make_frame(size_t text, uint64_t n, size_t *length_of) {
  uint8_t *frame = calloc(1, text + 32);
  if (!frame) fail("no memory");
  uint8_t *p = frame + 5;
  *p++ = 0x0a;
  for (size_t v = text;; v >>= 7) {
    *p++ = (uint8_t)(v & 127) | (v > 127 ? 128 : 0);
    if (v <= 127) break;
  }
  memset(p, 'x', text), p += text;
  *p++ = 0x10;
  for (uint64_t v = n;; v >>= 7) {
    *p++ = (uint8_t)(v & 127) | (v > 127 ? 128 : 0);
    if (v <= 127) break;
  }
  *length_of = (size_t)(p - frame);
  uint32_t length = htonl((uint32_t)(*length_of - 5));
  memcpy(frame + 1, &length, 4);
  return frame;
}

#endif
