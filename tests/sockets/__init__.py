"""Live pages: the relay, sockets, polling."""
