"""A server of grpc.testing.TestService on grpcio, as doc/interop-test-descriptions.md of grpc/grpc asks.

By hand: .venv/bin/python Tests/Python/interop/grpcio_server.py HOST:PORT [CERT KEY]

grpcio does not tell a handler whether a message came compressed, so `expect_compressed` is not looked at: the cases
client_compressed_unary and client_compressed_streaming, which probe for it, run against our own server only.
"""
import concurrent.futures
import sys
import time

import grpc
from interop_support import load_messages

SERVICE = "grpc.testing.TestService"
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
THREADS = 32


class TestService:
    """The methods. A call that ends with a status of its own raises inside context.abort."""

    __test__ = False  # no test class, whatever pytest takes its name for

    def __init__(self):
        self.m = load_messages()

    def handlers(self):
        m = self.m
        output = (m.StreamingOutputCallRequest.FromString, m.StreamingOutputCallResponse.SerializeToString)
        simple = (m.SimpleRequest.FromString, m.SimpleResponse.SerializeToString)
        return grpc.method_handlers_generic_handler(SERVICE, {
            "EmptyCall": grpc.unary_unary_rpc_method_handler(
                self.empty, m.Empty.FromString, m.Empty.SerializeToString),
            "UnaryCall": grpc.unary_unary_rpc_method_handler(self.unary, *simple),
            "StreamingInputCall": grpc.stream_unary_rpc_method_handler(
                self.input, m.StreamingInputCallRequest.FromString, m.StreamingInputCallResponse.SerializeToString),
            "StreamingOutputCall": grpc.unary_stream_rpc_method_handler(self.output, *output),
            "FullDuplexCall": grpc.stream_stream_rpc_method_handler(self.full_duplex, *output),
        })

    @staticmethod
    def echo(context):
        for key, value in context.invocation_metadata():
            if key == INITIAL:
                context.send_initial_metadata(((key, value),))
            elif key == TRAILING:
                context.set_trailing_metadata(((key, value),))

    @staticmethod
    def echo_status(request, context):
        if request.HasField("response_status") and request.response_status.code:
            (code,) = [c for c in grpc.StatusCode if c.value[0] == request.response_status.code]
            context.abort(code, request.response_status.message)

    @staticmethod
    def compress(wanted, parent, context):
        """The next message is compressed exactly when that was asked for."""
        if parent.HasField(wanted) and not getattr(parent, wanted).value:
            context.disable_next_message_compression()

    def empty(self, request, context):
        self.echo(context)
        return self.m.Empty()

    def unary(self, request, context):
        # Before anything is sent: the encoding is named in the initial metadata.
        if request.HasField("response_compressed") and request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        self.echo(context)
        self.echo_status(request, context)
        self.compress("response_compressed", request, context)
        return self.m.SimpleResponse(payload=self.m.Payload(body=bytes(request.response_size)))

    def input(self, requests, context):
        self.echo(context)
        return self.m.StreamingInputCallResponse(aggregated_payload_size=sum(len(r.payload.body) for r in requests))

    def respond(self, request, context):
        self.echo_status(request, context)
        for parameters in request.response_parameters:
            if parameters.interval_us:
                time.sleep(parameters.interval_us / 1e6)
            self.compress("compressed", parameters, context)
            yield self.m.StreamingOutputCallResponse(payload=self.m.Payload(body=bytes(parameters.size)))

    def output(self, request, context):
        if any(p.HasField("compressed") and p.compressed.value for p in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        self.echo(context)
        yield from self.respond(request, context)

    def full_duplex(self, requests, context):
        self.echo(context)
        for request in requests:
            yield from self.respond(request, context)


def start(address, cert=None, key=None):
    """A running server and its port."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers((TestService().handlers(),))
    if cert:
        port = server.add_secure_port(address, grpc.ssl_server_credentials([(key, cert)]))
    else:
        port = server.add_insecure_port(address)
    server.start()
    return server, port


def main():
    address, *files = sys.argv[1:]
    server, port = start(address, *(open(f, "rb").read() for f in files))
    print(f"grpcio-server ready {address.rsplit(':', 1)[0]}:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
