"""Where Greenwatch keeps its private database."""

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """GREENWATCH_HOME; else /var/tmp/greenwatch for root, and the user's data folder for everybody else.

    PostgreSQL refuses to run as root, so root's server runs as another user, who cannot pass a private /root.
    """
    chosen = environ.get("GREENWATCH_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/tmp/greenwatch")
    return Path(platformdirs.user_data_dir("greenwatch"))
