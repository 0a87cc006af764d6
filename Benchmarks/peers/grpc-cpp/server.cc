// The echo server on grpc++.
//
// usage: server HOST:PORT callback|async
//   callback: reactors, on gRPC's own threads
//   async:    one completion queue and one thread; a call of each method waits for each of 256 callers
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "bench.grpc.pb.h"

using bench::Echo;
using bench::EchoMessage;
using grpc::Status;

static void copy(const EchoMessage& in, EchoMessage* out) {
  out->set_text(in.text());
  out->set_n(in.n());
}

// --- callback ---------------------------------------------------------------------------------------------------

class CountReactor final : public grpc::ServerWriteReactor<EchoMessage> {
 public:
  explicit CountReactor(const EchoMessage* in) : left_(in->n()) {
    copy(*in, &out_);
    next();
  }
  void OnWriteDone(bool ok) override {
    if (ok) next(); else Finish(Status(grpc::StatusCode::UNKNOWN, "the caller is gone"));
  }
  void OnDone() override { delete this; }

 private:
  void next() {
    if (left_-- > 0) StartWrite(&out_); else Finish(Status::OK);
  }
  int64_t left_;
  EchoMessage out_;
};

class ChatReactor final : public grpc::ServerBidiReactor<EchoMessage, EchoMessage> {
 public:
  ChatReactor() { StartRead(&in_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(Status::OK);
    copy(in_, &out_);
    StartWrite(&out_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) StartRead(&in_); else Finish(Status(grpc::StatusCode::UNKNOWN, "the caller is gone"));
  }
  void OnDone() override { delete this; }

 private:
  EchoMessage in_, out_;
};

class CallbackEcho final : public Echo::CallbackService {
  grpc::ServerUnaryReactor* Say(grpc::CallbackServerContext* context, const EchoMessage* in, EchoMessage* out) override {
    copy(*in, out);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(Status::OK);
    return reactor;
  }
  grpc::ServerWriteReactor<EchoMessage>* Count(grpc::CallbackServerContext*, const EchoMessage* in) override {
    return new CountReactor(in);
  }
  grpc::ServerBidiReactor<EchoMessage, EchoMessage>* Chat(grpc::CallbackServerContext*) override {
    return new ChatReactor();
  }
};

// --- async ------------------------------------------------------------------------------------------------------

struct Shared {
  Echo::AsyncService service;
  grpc::ServerCompletionQueue* queue;
};

// What a completion is for.
struct Call {
  virtual ~Call() = default;
  virtual void proceed(bool ok) = 0;
};

struct SayCall final : Call {
  Shared* shared;
  grpc::ServerContext context;
  EchoMessage in, out;
  grpc::ServerAsyncResponseWriter<EchoMessage> writer;
  bool finishing = false;
  explicit SayCall(Shared* s) : shared(s), writer(&context) {
    s->service.RequestSay(&context, &in, &writer, s->queue, s->queue, this);
  }
  void proceed(bool ok) override {
    if (finishing || !ok) return delete this;
    new SayCall(shared);
    copy(in, &out);
    finishing = true;
    writer.Finish(out, Status::OK, this);
  }
};

struct CountCall final : Call {
  Shared* shared;
  grpc::ServerContext context;
  EchoMessage in, out;
  grpc::ServerAsyncWriter<EchoMessage> writer;
  int64_t left = -1;
  bool finishing = false;
  explicit CountCall(Shared* s) : shared(s), writer(&context) {
    s->service.RequestCount(&context, &in, &writer, s->queue, s->queue, this);
  }
  void proceed(bool ok) override {
    if (finishing || !ok) return delete this;
    if (left < 0) {
      new CountCall(shared);
      copy(in, &out);
      left = in.n();
    }
    if (left-- > 0) return writer.Write(out, this);
    finishing = true;
    writer.Finish(Status::OK, this);
  }
};

struct ChatCall final : Call {
  Shared* shared;
  grpc::ServerContext context;
  EchoMessage in, out;
  grpc::ServerAsyncReaderWriter<EchoMessage, EchoMessage> stream;
  enum { starting, reading, writing, finishing } phase = starting;
  explicit ChatCall(Shared* s) : shared(s), stream(&context) {
    s->service.RequestChat(&context, &stream, s->queue, s->queue, this);
  }
  void proceed(bool ok) override {
    if (phase == finishing || (!ok && phase != reading)) return delete this;
    switch (phase) {
      case starting: new ChatCall(shared); [[fallthrough]];
      case writing:
        phase = reading;
        return stream.Read(&in, this);
      default:
        if (!ok) {
          phase = finishing;
          return stream.Finish(Status::OK, this);
        }
        copy(in, &out);
        phase = writing;
        stream.Write(out, this);
    }
  }
};

int main(int argc, char** argv) {
  bool callback = argc == 3 && !strcmp(argv[2], "callback");
  if (!callback && (argc != 3 || strcmp(argv[2], "async"))) {
    fprintf(stderr, "usage: server HOST:PORT callback|async\n");
    return 64;
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(argv[1], grpc::InsecureServerCredentials());
  if (callback) {
    CallbackEcho echo;
    builder.RegisterService(&echo);
    auto server = builder.BuildAndStart();
    if (!server) return 1;
    server->Wait();
    return 0;
  }
  Shared shared;
  builder.RegisterService(&shared.service);
  auto queue = builder.AddCompletionQueue();
  shared.queue = queue.get();
  auto server = builder.BuildAndStart();
  if (!server) return 1;
  for (int i = 0; i < 256; i++) {
    new SayCall(&shared);
    new CountCall(&shared);
    new ChatCall(&shared);
  }
  void* tag;
  bool ok;
  while (queue->Next(&tag, &ok)) static_cast<Call*>(tag)->proceed(ok);
}
