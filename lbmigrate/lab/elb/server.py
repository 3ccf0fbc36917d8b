"""The socket: every API of the laboratory's account on one port of the loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lbmigrate.lab.elb.beside import Lost, answered
from lbmigrate.lab.elb.state import World


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment: two wait for each other's acknowledgement (40 ms)
    world: World
    lock: threading.Lock

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            with self.lock:
                status, found = answered(
                    self.world, self.headers.get("Authorization", ""), self.headers.get("X-Amz-Target", ""), body
                )
        except Lost:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        self.wfile.write(found)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was called is in the world."""


@contextmanager
def serving(world: World, host: str = "127.0.0.1") -> Iterator[str]:
    """The endpoint's URL, while it is served."""
    handler = type("Handler", (_Handler,), {"world": world, "lock": threading.Lock()})
    server = ThreadingHTTPServer((host, 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
