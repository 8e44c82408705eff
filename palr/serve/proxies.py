"""What a proxy in front of the server must pass on, and what is said where it does not."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

_HOW = "The part on hosting in .ci/README.md has the whole configuration."
NO_HOST = (
    "A request must name its host. Behind a proxy, let it pass the name on, in nginx: "
    f"proxy_set_header Host $http_host; {_HOW}"
)
OTHER_HOST = (
    "Requests of other sites are refused. If this is the server's own page, the proxy before it "
    "must pass on the name that the browser asked for, in nginx: "
    f"proxy_set_header Host $http_host; {_HOW}"
)
PATH = (
    "Not found: the page is at the root of this server. A proxy that shows it under a path must "
    "take that path off, in nginx with a slash at the end: "
    f"location /palr/ {{ proxy_pass http://127.0.0.1:7860/; }} {_HOW}"
)
_PORTS = {"http": 80, "https": 443}


def same_origin(headers: Mapping[str, str], hosts: Iterable[str] = ()) -> bool:
    """Whether a request is of the server's own page, or of no page at all.

    >>> same_origin({"host": "a.example:8080", "origin": "http://a.example:8080"})
    True
    >>> same_origin({"host": "a.example:8080", "origin": "http://b.example:8080"})
    False

    Args:
        headers: Of the request, by their names in lower case.
        hosts: Further names of the server, beside those that it is asked by.
    """
    origin = headers.get("origin")
    if origin is None or headers.get("sec-fetch-site") == "same-origin":
        return True  # a browser says the latter, and lets no page say it
    named = (headers.get("host", ""), *headers.get("x-forwarded-host", "").split(","), *hosts)
    try:
        asked = urlsplit(origin)
        standard = _PORTS.get(asked.scheme)
        wanted = asked.hostname, asked.port or standard
        ours = [urlsplit(f"//{name.strip()}") for name in named if name.strip()]
        return bool(asked.hostname) and wanted in [(o.hostname, o.port or standard) for o in ours]
    except ValueError:  # no port, or no address in brackets
        return False
