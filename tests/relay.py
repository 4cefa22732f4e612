"""Something between client and server that does TLS instead of the server, as stunnel or a load balancer would."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

from tests.authority import Files

GATHER = 0.05
"""Seconds of silence after which what the server said is sent on, in as few TLS records as it fits into."""


@contextlib.contextmanager
def relay(files: Files, port: int) -> Iterator[int]:
    """Relay connections to a port of this host from another one, which is given; with the certificate in `files`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as opened:
        thread = threading.Thread(target=_serve, args=(listener, context, port, opened), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, context: ssl.SSLContext, port: int, opened: contextlib.ExitStack) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with contextlib.suppress(OSError):
            client = opened.enter_context(context.wrap_socket(connection, server_side=True))
            server = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            threading.Thread(target=_towards_server, args=(client, server), daemon=True).start()
            threading.Thread(target=_towards_client, args=(server, client), daemon=True).start()


def _towards_server(client: socket.socket, server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := client.recv(65536):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)


def _towards_client(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(65536):
            server.settimeout(GATHER)
            with contextlib.suppress(TimeoutError):
                while more := server.recv(65536):
                    data += more
            server.settimeout(None)
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)
