"""LocalStack's own server listens on every address, whatever GATEWAY_LISTEN says. This one does as told, without TLS."""

from __future__ import annotations

from localstack.config import HostAndPort
from localstack.runtime.server.twisted import TwistedRuntimeServer
from rolo.gateway import Gateway
from rolo.serving.twisted import TwistedGateway
from twisted.internet import reactor


class BoundServer(TwistedRuntimeServer):
    """The gateway on the addresses that it is given."""

    def register(self, gateway: Gateway, listen: list[HostAndPort], ssl_creds: tuple[str, str] | None = None) -> None:
        """Listen."""
        site = TwistedGateway(gateway)
        for each in listen:
            reactor.listenTCP(each.port, site, interface=each.host)
