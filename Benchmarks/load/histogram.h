/* Counts of latencies in nanoseconds, in buckets no wider than 1/128 of their value (the idea of HdrHistogram). */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H
#include <stdint.h>

enum { HISTOGRAM_BITS = 7, HISTOGRAM_STEPS = 1 << HISTOGRAM_BITS, HISTOGRAM_SIZE = (64 - HISTOGRAM_BITS + 1) * HISTOGRAM_STEPS };

typedef struct {
  uint64_t counts[HISTOGRAM_SIZE];
  uint64_t total, max;
} histogram_t;

/* Values below 2 * STEPS are exact; above, a bucket is a power of two cut in STEPS. */
static inline unsigned histogram_bucket(uint64_t value) {
  if (value < HISTOGRAM_STEPS) return (unsigned)value;
  unsigned shift = 63 - __builtin_clzll(value) - HISTOGRAM_BITS;
  return (shift + 1) * HISTOGRAM_STEPS + (unsigned)(value >> shift) - HISTOGRAM_STEPS;
}

static inline void histogram_add(histogram_t *h, uint64_t value) {
  h->counts[histogram_bucket(value)]++;
  h->total++;
  if (value > h->max) h->max = value;
}

/* The middle of the bucket that `share` (0...1) of all values do not exceed. */
static inline double histogram_quantile(const histogram_t *h, double share) {
  uint64_t wanted = (uint64_t)(share * (double)h->total), seen = 0;
  if (wanted >= h->total) return (double)h->max;
  for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) {
    seen += h->counts[i];
    if (seen <= wanted) continue;
    if (i < HISTOGRAM_STEPS) return i;
    unsigned shift = i / HISTOGRAM_STEPS - 1;
    uint64_t low = (uint64_t)(i % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
    double middle = (double)low + (double)((1ull << shift) - 1) / 2;
    return middle < (double)h->max ? middle : (double)h->max;
  }
  return (double)h->max;
}
#endif
