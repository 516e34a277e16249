"""The listening socket of ``flask stask up``: bound before anything starts, so that a taken port is one clear line."""

from __future__ import annotations

import errno
import socket

from .output import Failure

_BACKLOG = 2048
_ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen.

    :param host: a name or an address.
    :param port: 0 lets the system choose.
    :raises Failure: says what is wrong with the port or the host.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise Failure(f"There is no address for the host {host!r}: {error.strerror}.") from error
    except OverflowError as error:
        raise Failure(f"{port} is no port. Choose one from 1 to 65535.") from error
    except OSError as error:
        raise Failure(_reason(error, host, port)) from error


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        other = 9000 if port != 9000 else 9001
        return f"Port {port} is in use. Choose another: PORT={other} make run (or flask stask up --port {other})."
    if error.errno == errno.EACCES:
        return f"Port {port} is for the system's administrator only. Choose one above 1023."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host!r}. Choose another with --host."
    return f"Cannot listen on {host}:{port}: {error.strerror}."


def base_url(listener: socket.socket) -> str:
    """The address to open in a browser on this machine, without a slash at the end."""
    host, port = listener.getsockname()[:2]
    if host in _ANY:
        host = _ANY[host]
    elif ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}"
