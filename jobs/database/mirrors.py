"""Which Debian mirrors to ask. Pure: the text of `apt-get update --print-uris` in, mirrors out."""

import re
from dataclasses import dataclass

#: Only code names tell Debian from others: Chrome and Grafana call their suites `stable`, Ubuntu's are named otherwise.
CODENAMES = "bullseye|bookworm|trixie|forky|duke|sid"

_RELEASE = re.compile(rf"^'(?!cdrom)([^']+?)/*dists/({CODENAMES})(-updates|-security)?/InRelease'", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where Debian is, and where its security fixes are: empty where no such mirror is known."""

    main: str
    security: str = ""


#: For hosts that have no Debian mirror (Ubuntu), and the last resort of those that have.
PUBLIC = Mirror("http://deb.debian.org/debian", "http://deb.debian.org/debian-security")


def candidates(printed: str, chosen: str = "") -> list[Mirror]:
    """The mirrors to try in turn: `chosen` alone if given; else those apt is configured for, then the public one.

    Only `<code name>-security` is Debian's security mirror: Ubuntu's `noble-security` is not, and asking it for trixie
    fails. Docker, HashiCorp and others have a suite `bookworm` too, so a mirror that also has `bookworm-updates`, or is
    called `debian`, goes first; a wrong one costs a try and no more, as all is checked against Debian's own keys.
    """
    found = [(uri, kind) for uri, _, kind in _RELEASE.findall(printed)]
    security = next((uri for uri, kind in found if kind == "-security"), "")
    if chosen:
        return [Mirror(chosen.rstrip("/"), security)]
    updated = {uri for uri, kind in found if kind == "-updates"}
    mains = dict.fromkeys(uri for uri, kind in found if not kind)
    ranked = sorted(mains, key=lambda uri: (uri not in updated, not uri.endswith("/debian")))
    mirrors = [Mirror(uri, security) for uri in ranked]
    return mirrors if PUBLIC.main in mains else [*mirrors, PUBLIC]
