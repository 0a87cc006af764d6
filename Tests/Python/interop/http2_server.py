"""A server of UnaryCall that does uncommon things with HTTP/2, each as doc/http2-interop-test-descriptions.md of grpc/grpc
describes. What the client has to be seen doing is in `faults` and `connections` when it is gone.
"""
import collections
import socket
import struct
import threading

import http2_frames as h2
from interop_support import SECONDS, load_messages

CHUNK = 16_384
WINDOW = 1 << 20
HEAD = h2.block((":status", "200"), ("content-type", "application/grpc"))
TRAILERS = h2.block(("grpc-status", "0"))


class Connection:
    """A client's connection: answers each request when it is whole."""

    def __init__(self, server, connected):
        self.server = server
        self.wire = h2.Wire(connected, SECONDS)
        self.bodies = {}
        self.window, self.initial_window, self.stream_windows = 65_535, 65_535, {}
        self.queue = collections.deque()  # (stream, payload, padding) of DATA, or bytes of other frames
        self.pings, self.sent_pings = 0, 0
        self.limited = False

    def run(self):
        assert self.wire.read_exactly(len(h2.MAGIC)) == h2.MAGIC
        first = [(h2.INITIAL_WINDOW_SIZE, WINDOW)]
        if self.server.case == "max_streams":
            first.append((h2.MAX_CONCURRENT_STREAMS, 1))
        self.wire.write(h2.settings(*first) + h2.window_update(0, 1 << 30))
        try:
            while True:
                self.take(self.wire.read())
                self.pump()
        except (EOFError, ConnectionError):
            pass
        if self.pings:
            self.server.faults.append(f"{self.pings} of {self.sent_pings} pings were not answered")
        self.wire.close()

    def take(self, frame):
        if frame.kind == h2.SETTINGS:
            if frame.has(h2.ACK):
                self.limited = self.server.case == "max_streams"
                return
            for at in range(0, len(frame.payload), 6):
                name, value = struct.unpack(">HI", frame.payload[at:at + 6])
                if name == h2.INITIAL_WINDOW_SIZE:
                    for stream in self.stream_windows:
                        self.stream_windows[stream] += value - self.initial_window
                    self.initial_window = value
            self.wire.write(h2.frame(h2.SETTINGS, h2.ACK, 0))
        elif frame.kind == h2.PING:
            if frame.has(h2.ACK):
                self.pings -= 1
            else:
                self.wire.write(h2.frame(h2.PING, h2.ACK, 0, frame.payload))
        elif frame.kind == h2.WINDOW_UPDATE:
            if frame.stream == 0:
                self.window += frame.increment
            elif frame.stream in self.stream_windows:
                self.stream_windows[frame.stream] += frame.increment
        elif frame.kind == h2.HEADERS:
            self.stream_windows[frame.stream] = self.initial_window
            self.bodies[frame.stream] = b""
            if self.limited and len(self.bodies) > 1:
                self.server.faults.append(f"{len(self.bodies)} streams were open, and one was allowed")
        elif frame.kind == h2.DATA and frame.stream in self.bodies:
            self.bodies[frame.stream] += frame.payload
            if frame.has(h2.END_STREAM):
                self.answer(frame.stream)

    # What is sent

    def send(self, data):
        self.queue.append(data)

    def pump(self):
        """Sends what the client's windows admit, in order."""
        out = []
        while self.queue:
            first = self.queue[0]
            if isinstance(first, tuple):
                stream, payload, padding = first
                data = payload if padding is None else h2.padded(payload, padding)
                if len(data) > min(self.window, self.stream_windows[stream]):
                    break
                self.window -= len(data)
                self.stream_windows[stream] -= len(data)
                flags = 0 if padding is None else h2.PADDED
                out.append(h2.frame(h2.DATA, flags, stream, data))
            else:
                out.append(first)
            self.queue.popleft()
        if out:
            self.wire.write(b"".join(out))

    def ping(self):
        self.pings += 1
        self.sent_pings += 1
        self.send(h2.frame(h2.PING, 0, 0, struct.pack(">Q", self.sent_pings)))

    def answer(self, stream):
        m = load_messages()
        request = m.SimpleRequest.FromString(self.bodies.pop(stream)[5:])
        response = m.SimpleResponse(payload=m.Payload(body=bytes(request.response_size))).SerializeToString()
        body = b"\0" + struct.pack(">I", len(response)) + response
        getattr(self, self.server.case)(stream, body)

    def respond(self, stream, body, chunk=CHUNK, padding=None, ending=True):
        self.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, HEAD))
        self.send_data(stream, body, chunk, padding)
        if ending:
            self.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, TRAILERS))

    def send_data(self, stream, body, chunk=CHUNK, padding=None):
        for at in range(0, len(body), chunk):
            self.send((stream, body[at:at + chunk], padding))

    # The cases, by their names

    def goaway(self, stream, body):
        if len(self.server.connections) == 1:
            self.send(h2.goaway(stream))
        self.respond(stream, body)

    def goaway_after_answer(self, stream, body):
        self.respond(stream, body)
        if len(self.server.connections) == 1:
            self.send(h2.goaway(stream))

    def goaway_refusing(self, stream, body):
        # RFC 9113, section 6.8: what is beyond the last stream was not seen, and may be sent again.
        if len(self.server.connections) == 1:
            self.send(h2.goaway(0))
        else:
            self.respond(stream, body)

    def rst_after_header(self, stream, body):
        self.respond(stream, b"", ending=False)
        self.send(h2.rst_stream(stream, h2.NO_ERROR))

    def rst_during_data(self, stream, body):
        self.respond(stream, body[:len(body) // 2], ending=False)
        self.send(h2.rst_stream(stream, h2.NO_ERROR))

    def rst_after_data(self, stream, body):
        self.respond(stream, body, ending=False)
        self.send(h2.rst_stream(stream, h2.NO_ERROR))

    def ping_around(self, stream, body):
        self.ping()
        self.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, HEAD))
        self.ping()
        self.send_data(stream, body)
        self.ping()
        self.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, TRAILERS))

    def max_streams(self, stream, body):
        self.respond(stream, body)

    def data_frame_padding(self, stream, body):
        self.respond(stream, body, chunk=5, padding=255)

    def no_df_padding_sanity_test(self, stream, body):
        self.respond(stream, body, chunk=5)


class HTTP2Server:
    """Listens while the block lasts; `case` names the method of Connection that answers."""

    def __init__(self, case):
        self.case = case
        self.faults, self.connections, self.threads = [], [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(self, connected)
            self.connections.append(connection)
            thread = threading.Thread(target=self.serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def serve(self, connection):
        try:
            connection.run()
        except Exception as error:  # whatever it is, the test has to hear of it
            self.faults.append(f"{type(error).__name__}: {error}")

    def __enter__(self):
        self.acceptor = threading.Thread(target=self.accept)
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        # Wakes the thread that accepts, which closing alone does not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(SECONDS)
        for thread in self.threads:
            thread.join(SECONDS)
