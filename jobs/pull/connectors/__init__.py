"""The services that can be asked, by the names of their files."""

from typing import cast

from analytics.family import members
from jobs.pull.contract import Connector

CONNECTORS: dict[str, Connector] = {
    name: cast(Connector, found) for name, found in members(__name__, "CONNECTOR").items()
}
