"""TLS as our servers speak it."""

import ssl
from pathlib import Path
from typing import Annotated

import typer

from jobs import console

Cert = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Certificate (chain, PEM): TLS instead of TCP.")
]
Key = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Its key, where that is another file.")]


def context(cert: Path | None, key: Path | None, option: str = "tls") -> ssl.SSLContext | None:
    """TLS with `cert`, and no TLS where there is none. Raises `NotAsAsked`, naming --OPTION-cert or --OPTION-key, where
    the files cannot be used."""
    if cert is None:
        if key is not None:
            raise console.NotAsAsked(f"--{option}-key without --{option}-cert")
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ssl.SSLError) as problem:
        raise console.NotAsAsked(f"--{option}-cert {cert}: {problem}") from None
    return made
