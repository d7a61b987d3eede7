"""A port to listen on, for servers that are told one before they start."""

import random
import socket


def free_port() -> int:
    """Return a free port below those that systems hand out by themselves, so that nobody else gets it meanwhile."""
    ports = random.SystemRandom().sample(range(20_000, 32_000), 100)
    for port in ports:
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port found")
