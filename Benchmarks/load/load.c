/* The load generator of scripts/bench: bench.Echo over cleartext HTTP/2, on one thread.
 *
 * usage: load HOST:PORT unary|count|chat|idle [options]
 *   unary: Say, an answer a call.  count: Count, -m answers a call.  chat: Chat, -m messages and answers a call, one at
 *   a time.  idle: one Say on each connection, then a line "ready", then silence until standard input ends.
 *   -c N  connections (8)          -s N  calls at once on a connection (32)
 *   -b N  bytes of text in a message (16)
 *   -m N  messages of a count or chat call (1000)
 *   -t S  seconds that are measured (2)   -w S  seconds before, which are not (0.3)
 *   -n N  instead of -t and -w: N calls (unary, count) or messages (chat) in all
 *   -r R  open loop: R calls (unary) or messages (count, chat) a second. Without it a closed loop: the next is sent
 *         when the answer is there.
 *   -p PID  the server, whose CPU time is measured    -a VALUE  an authorization header
 *
 * A unit is a call of unary, a message of count and chat. Latency is of a call (unary, count) or of a message and its
 * answer (chat), in an open loop from when it should have been sent: a server that stalls is charged for all that
 * had to wait. Each byte that comes back is compared with what was sent, and each call must end with grpc-status 0.
 * Prints one JSON object. Exit code 1: an answer was wrong. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "histogram.h"
#include "support.h"

enum kind { UNARY, COUNT, CHAT, IDLE };
static const char *const kinds[] = {"unary", "count", "chat", "idle"};
enum { READ_BYTES = 256 * 1024, STREAM_WINDOW = 1 << 20, CONNECTION_WINDOW = 16 << 20, DRAIN_SECONDS = 20 };

typedef struct {
  int fd;
  bool waits_to_write, dirty;
  nghttp2_session *session;
  uint8_t *out;
  size_t out_length, out_offset, out_capacity;
} connection_t;

/* A place for one call at a time. */
typedef struct {
  connection_t *connection;
  int32_t stream; /* 0: none is open */
  bool busy;      /* an answer is awaited */
  bool closing;   /* nothing more will be sent on the stream */
  bool deferred, status_ok, grpc_ok;
  uint64_t to_send, sent, received; /* bytes of the stream */
  uint64_t began;                   /* when what is awaited was, or should have been, sent */
  uint64_t waiting, next_tick;      /* open loop: sends that are due, and the number of the first of them */
} slot_t;

static enum kind kind;
static int connections = 8, streams = 32, server_pid;
static uint64_t messages = 1000, limit;
static double seconds = 2, warm_up = 0.3, rate;
static const char *authority, *authorization;
static uint8_t *frame;
static size_t frame_length;
static int poller;
static slot_t *slots;
static connection_t *all;
static size_t slot_count;
static bool stopping, measuring;
static uint64_t started_units, units, busy_slots;
static uint64_t epoch, tick; /* open loop: when the first is due, and how many have been */
static histogram_t latencies;

static slot_t *slot_of(nghttp2_session *s, int32_t id) { return nghttp2_session_get_stream_user_data(s, id); }

/* --- Sending ----------------------------------------------------------------------------------------------------- */

static ssize_t on_read(nghttp2_session *s, int32_t id, uint8_t *buffer, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *data) {
  (void)s, (void)id, (void)data;
  slot_t *slot = source->ptr;
  size_t count = slot->to_send - slot->sent;
  if (!count && !slot->closing) {
    slot->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  /* At most to the end of the frame; the library asks again. */
  size_t offset = slot->sent % frame_length, rest = frame_length - offset;
  if (count > rest) count = rest;
  if (count > room) count = room;
  memcpy(buffer, frame + offset, count);
  slot->sent += count;
  if (slot->closing && slot->sent == slot->to_send) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)count;
}

#define FIELD(n, v, flag)                                                                 \
  {(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, strlen(v), \
   NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE | (flag)}

static void resume(slot_t *slot) {
  slot->connection->dirty = true;
  if (!slot->deferred) return;
  slot->deferred = false;
  if (nghttp2_session_resume_data(slot->connection->session, slot->stream)) fail("a stream cannot be resumed");
}

/* Sends what a slot is for: a call, or a message of one. */
static void begin(slot_t *slot, uint64_t at) {
  static const char *const paths[] = {"/bench.Echo/Say", "/bench.Echo/Count", "/bench.Echo/Chat", "/bench.Echo/Say"};
  slot->began = at;
  slot->busy = true;
  busy_slots++;
  started_units += kind == COUNT ? messages : 1;
  if (slot->stream) {
    slot->to_send += frame_length;
    return resume(slot);
  }
  slot->to_send = frame_length;
  slot->sent = slot->received = 0;
  slot->closing = kind != CHAT;
  slot->deferred = slot->status_ok = slot->grpc_ok = false;
  nghttp2_nv fields[] = {FIELD(":method", "POST", 0), FIELD(":scheme", "http", 0), FIELD(":path", paths[kind], 0),
                         FIELD(":authority", authority, 0), FIELD("content-type", "application/grpc", 0),
                         FIELD("te", "trailers", 0), FIELD("authorization", authorization ? authorization : "", 0)};
  nghttp2_data_provider provider = {.source.ptr = slot, .read_callback = on_read};
  slot->stream = nghttp2_submit_request(slot->connection->session, NULL, fields, authorization ? 7 : 6, &provider, slot);
  if (slot->stream < 0) fail("no stream: %s", nghttp2_strerror(slot->stream));
  slot->connection->dirty = true;
}

/* Open loop: when the tick-th call or message is to be sent. */
static uint64_t due(uint64_t tick) {
  return epoch + (uint64_t)((double)tick * 1e9 / rate * (kind == COUNT ? (double)messages : 1));
}

static void begin_next(slot_t *slot) {
  if (rate > 0) {
    if (!slot->waiting) return;
    slot->waiting--;
    uint64_t at = due(slot->next_tick);
    slot->next_tick += slot_count;
    begin(slot, at);
  } else if (!stopping && kind != IDLE && (!limit || started_units < limit)) {
    begin(slot, now());
  }
}

/* --- Receiving --------------------------------------------------------------------------------------------------- */

static void answered(slot_t *slot) {
  if (measuring) histogram_add(&latencies, now() - slot->began);
}

static void release(slot_t *slot) {
  slot->busy = false;
  busy_slots--;
  begin_next(slot);
}

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t length, uint8_t flags, void *data) {
  (void)flags, (void)data;
  slot_t *slot = slot_of(s, f->hd.stream_id);
  if (!slot) return 0;
  if (name_length == 7 && !memcmp(name, ":status", 7)) {
    slot->status_ok = length == 3 && !memcmp(value, "200", 3);
  } else if (name_length == 11 && !memcmp(name, "grpc-status", 11)) {
    slot->grpc_ok = length == 1 && *value == '0';
    if (!slot->grpc_ok) fail("a call ended with grpc-status %.*s", (int)length, value);
  }
  return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count, void *data) {
  (void)flags, (void)data;
  slot_t *slot = slot_of(s, id);
  if (!slot) return 0;
  while (count) {
    size_t offset = slot->received % frame_length, part = frame_length - offset;
    if (part > count) part = count;
    if (memcmp(bytes, frame + offset, part)) fail("an answer is not the message that was sent");
    slot->received += part;
    bytes += part, count -= part;
    if (offset + part < frame_length) break;
    if (kind != UNARY) units += measuring;
    if (kind != CHAT) continue;
    if (slot->received != slot->to_send) fail("there are more answers than messages");
    answered(slot);
    if (slot->received == messages * frame_length || stopping || (limit && started_units >= limit)) {
      /* Busy until the call has ended. */
      slot->closing = true;
      resume(slot);
    } else {
      release(slot);
    }
  }
  return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *data) {
  (void)data;
  slot_t *slot = slot_of(s, id);
  if (!slot) return 0;
  uint64_t expected = kind == COUNT ? messages * frame_length : slot->to_send;
  if (code) fail("a stream was reset with code %u", code);
  if (!slot->status_ok || !slot->grpc_ok) fail("a call ended without status 200 and grpc-status 0");
  if (slot->received != expected) fail("%llu bytes came instead of %llu", (unsigned long long)slot->received, (unsigned long long)expected);
  slot->stream = 0;
  if (kind == UNARY) units += measuring;
  if (kind != CHAT) answered(slot);
  release(slot);
  return 0;
}

/* --- Connections ------------------------------------------------------------------------------------------------- */

static void flush(connection_t *c) {
  c->dirty = false;
  for (;;) {
    while (c->out_length < READ_BYTES) {
      const uint8_t *bytes;
      ssize_t count = nghttp2_session_mem_send(c->session, &bytes);
      if (count < 0) fail("%s", nghttp2_strerror((int)count));
      if (!count) break;
      if (c->out_length + (size_t)count > c->out_capacity) {
        c->out_capacity = (c->out_length + (size_t)count) * 2;
        c->out = realloc(c->out, c->out_capacity);
        if (!c->out) fail("no memory");
      }
      memcpy(c->out + c->out_length, bytes, (size_t)count);
      c->out_length += (size_t)count;
    }
    bool stalls = false;
    if (c->out_offset < c->out_length) {
      ssize_t count = write(c->fd, c->out + c->out_offset, c->out_length - c->out_offset);
      if (count < 0 && errno != EAGAIN && errno != EINTR) fail("write: %s", strerror(errno));
      stalls = count < 0 && errno == EAGAIN;
      if (count > 0) c->out_offset += (size_t)count;
      if (c->out_offset == c->out_length) c->out_offset = c->out_length = 0;
    }
    if (stalls != c->waits_to_write) {
      struct epoll_event e = {.events = EPOLLIN | (stalls ? EPOLLOUT : 0), .data.ptr = c};
      epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
      c->waits_to_write = stalls;
    }
    if (stalls || !c->out_length) return;
  }
}

static void receive(connection_t *c) {
  static uint8_t buffer[READ_BYTES];
  ssize_t count = read(c->fd, buffer, sizeof buffer);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) fail("the server closed a connection: %s", count ? strerror(errno) : "end");
  ssize_t taken = nghttp2_session_mem_recv(c->session, buffer, (size_t)count);
  if (taken != count) fail("%s", nghttp2_strerror((int)taken));
}

static void open_connection(connection_t *c, const struct sockaddr_in *address, nghttp2_session_callbacks *callbacks) {
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect(c->fd, (const void *)address, sizeof *address)) fail("connect: %s", strerror(errno));
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW}};
  if (nghttp2_session_client_new(&c->session, callbacks, c) ||
      nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 2) ||
      nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW))
    fail("no session");
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e)) fail("epoll_ctl: %s", strerror(errno));
}

/* --- The run ----------------------------------------------------------------------------------------------------- */

/* Sends what is due; a slot that still waits for an answer sends it afterwards, and is charged for the wait. What is due
 * of one connection goes out in one write: a write a call would make this program the limit of a fast server. */
static void send_due(void) {
  uint64_t time = now();
  if (due(tick) > time) return;
  for (; due(tick) <= time; tick++) {
    slot_t *slot = &slots[tick % slot_count];
    slot->waiting++;
    if (!slot->busy) begin_next(slot);
  }
  for (int i = 0; i < connections; i++)
    if (all[i].dirty) flush(&all[i]);
}

static void turn(bool wait) {
  struct epoll_event events[256];
  int count = epoll_wait(poller, events, 256, wait ? 100 : 0);
  if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
  for (int i = 0; i < count; i++) {
    connection_t *c = events[i].data.ptr;
    if (events[i].events & ~EPOLLOUT) receive(c);
    flush(c);
  }
}

static void run_until(uint64_t end) {
  while (limit ? units < limit : now() < end) {
    if (rate > 0) send_due();
    /* In an open loop sleeping would make the next one late. */
    turn(rate <= 0);
  }
}

/* Lets what is under way end, and the calls of chat with it. */
static void drain(void) {
  stopping = true;
  uint64_t end = now() + DRAIN_SECONDS * 1000000000ull;
  for (size_t i = 0; i < slot_count; i++) {
    slot_t *slot = &slots[i];
    slot->waiting = 0;
    if (!slot->stream || slot->busy || kind != CHAT) continue;
    slot->busy = slot->closing = true;
    busy_slots++;
    resume(slot);
    flush(slot->connection);
  }
  while (busy_slots) {
    if (now() > end) fail("%llu calls have not ended", (unsigned long long)busy_slots);
    turn(true);
  }
}

int main(int argc, char **argv) {
  static const char usage_text[] = "usage: load HOST:PORT unary|count|chat|idle [options]; see the head of load.c\n";
  if (argc < 3) return fputs(usage_text, stderr), 64;
  authority = argv[1];
  while (kind <= IDLE && strcmp(argv[2], kinds[kind])) kind++;
  char host[64];
  const char *colon = strrchr(authority, ':');
  if (kind > IDLE || !colon || (size_t)(colon - authority) >= sizeof host) return fputs(usage_text, stderr), 64;
  snprintf(host, sizeof host, "%.*s", (int)(colon - authority), authority);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(colon + 1, "the port", 1, 65535))};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail("%s is no IPv4 address", host);
  size_t text = 16;
  argc -= 2, argv += 2;
  for (int o; (o = getopt(argc, argv, "c:s:b:m:t:w:n:r:p:a:")) != -1;) switch (o) {
      case 'c': connections = (int)number(optarg, "-c", 1, 60000); break;
      case 's': streams = (int)number(optarg, "-s", 1, 100); break;
      case 'b': text = number(optarg, "-b", 1, 1 << 20); break;
      case 'm': messages = number(optarg, "-m", 1, 1000000); break;
      case 'n': limit = number(optarg, "-n", 1, 1000000000); break;
      case 'p': server_pid = (int)number(optarg, "-p", 1, 1 << 30); break;
      case 't': seconds = atof(optarg); break;
      case 'w': warm_up = atof(optarg); break;
      case 'r': rate = atof(optarg); break;
      case 'a': authorization = optarg; break;
      default: return fputs(usage_text, stderr), 64;
    }
  if (seconds <= 0 || warm_up < 0 || rate < 0 || (limit && rate > 0)) return fputs(usage_text, stderr), 64;
  if (kind == IDLE) streams = 1;
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  frame = make_frame(text, kind == COUNT ? messages : 42, &frame_length);
  if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0) fail("epoll_create1: %s", strerror(errno));
  nghttp2_session_callbacks *callbacks;
  if (nghttp2_session_callbacks_new(&callbacks)) fail("no memory");
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  all = calloc((size_t)connections, sizeof *all);
  slot_count = (size_t)connections * (size_t)streams;
  slots = calloc(slot_count, sizeof *slots);
  if (!all || !slots) fail("no memory");
  for (int i = 0; i < connections; i++) {
    open_connection(&all[i], &address, callbacks);
    flush(&all[i]);
  }
  /* Neighbours in time are of different connections. */
  for (size_t i = 0; i < slot_count; i++) slots[i] = (slot_t){.connection = &all[i % (size_t)connections], .next_tick = i};
  measuring = limit > 0;
  epoch = now();
  usage_t first = usage(server_pid);
  for (size_t i = 0; i < slot_count && rate <= 0 && (!limit || started_units < limit); i++) begin(&slots[i], now());
  for (int i = 0; i < connections; i++) flush(&all[i]);
  if (kind == IDLE) {
    while (busy_slots) turn(true);
    puts("ready");
    fflush(stdout);
    while (read(0, &(char){0}, 1) > 0) {}
    return 0;
  }
  if (!limit) {
    run_until(epoch + (uint64_t)(warm_up * 1e9));
    measuring = true;
    first = usage(server_pid);
  }
  run_until(first.wall + (uint64_t)(seconds * 1e9));
  usage_t last = usage(server_pid);
  measuring = false;
  drain();
  if (!units) fail("nothing was answered in %g s", seconds);
  double wall = (double)(last.wall - first.wall), server = (double)(last.server - first.server), load = (double)(last.load - first.load);
  printf("{\"kind\": \"%s\", \"units\": %llu, \"seconds\": %.6f, \"per_second\": %.1f, \"cpu_us\": %.4f, \"server_busy\": %.4f, "
         "\"load_busy\": %.4f, \"other_cores\": %.4f, \"latencies\": %llu, \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f}\n",
         kinds[kind], (unsigned long long)units, wall / 1e9, (double)units / wall * 1e9, server / 1e3 / (double)units, server / wall,
         load / wall, ((double)(last.machine - first.machine) - server - load) / wall, (unsigned long long)latencies.total,
         histogram_quantile(&latencies, 0.5) / 1e3, histogram_quantile(&latencies, 0.99) / 1e3,
         histogram_quantile(&latencies, 0.999) / 1e3, (double)latencies.max / 1e3);
  return 0;
}
