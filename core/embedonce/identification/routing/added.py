"""What an embedder of a known class adds to each request, besides the URL and the body that its row tells of.

Gateways choose models by headers and by the query. So the query counts, and headers do where requests go to another
server than a provider's own. Both are those of the clients that are there; the fields of the class count for a client
that it has yet to build.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from embedonce.identification.routing.clients import Sent, adds_to_query, sent_by
from embedonce.identification.routing.headers import is_providers_own, query_of, routed_by, routing_headers
from embedonce.identification.settings.paths import Urls, read
from embedonce.identification.settings.plain import UnclearSettingError, is_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedonce.identity import Identity

ADDED = object()
"""The key of what is added among the values that are read of an embedder."""


def _steps(paths: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in paths.split())


# Further arguments of each request, as classes that speak OpenAI's protocol take them.
_OF_REQUESTS = _steps("model_kwargs.extra_headers additional_kwargs.extra_headers")
# What a client gets that is yet to be built, the strongest last.
_TO_BE = _steps("http_client http_async_client async_http_client http_client_kwargs.headers default_headers")
_KINDS_OF_URLS = ("URL", "Url", "AnyUrl", "HttpUrl")
_QUERIES_TO_BE = _steps("http_client_kwargs.params default_query")


class Added:
    """What embedders of one class add to requests.

    Args:
        paths: See `KnownClass.adds`.
    """

    def __init__(self, paths: str = "") -> None:
        self._of_requests = [_OF_REQUESTS + _steps(each) for each in paths.split("|")]
        self.names = {path.partition(".")[0] for path in paths.replace("|", " ").split()}
        """The fields of the embedder in which the paths begin."""

    def of(self, embedder: object, clients: Sequence[Any], values: Mapping[object, Any]) -> tuple[Sent, ...] | None:
        """Return what each client adds to requests; None if that is nothing.

        Args:
            embedder: The embedder.
            clients: What holds the URL of each of its clients, None for one that is yet to be built.
            values: What its row reads; where all of it leads to providers' own servers, no header is looked at.
        """
        if not clients:
            found = [_sent_at(embedder, paths) for paths in self._of_requests if self.names]
        elif self.names or _may_route(values):
            found = [_to_be_sent(embedder) if client is None else sent_by(client) for client in clients]
            of_requests = [_sent_at(embedder, paths) for paths in self._of_requests]
            # One of either kind goes with each of the other.
            pairs = zip(_repeated(found, len(of_requests)), _repeated(of_requests, len(found)), strict=True)
            found = [({**headers, **more}, {**query, **parameters}) for (headers, query), (more, parameters) in pairs]
        elif any(map(adds_to_query, clients)):
            found = [({}, sent_by(client)[1]) for client in clients]
        else:
            return None
        return tuple(found) if any(map(any, found)) else None


def _repeated(found: list[Sent], times: int) -> list[Sent]:
    return found * times if len(found) == 1 else found


def with_added(identity: Identity, values: Mapping[object, Any]) -> Identity:
    """Return an identity with what is added to requests, as `query` and a digest of the headers, `routed_by`.

    Raises:
        UnclearSettingError: The synchronous and the asynchronous client add different things.
    """
    added = values[ADDED]
    if added is None:
        return identity
    model = unquote(identity.name.partition("/")[2])
    endpoint = json.loads(dict(identity.parameters).get("endpoint", "null")) or (model if is_url(model) else None)
    foreign = [str(url) for url in (endpoint, *values[Urls]) if url and not is_providers_own(str(url))]
    queries = [query for _, query in added]
    routes = [routed_by(headers, foreign[0]) if foreign else None for headers, _ in added]
    for what, each in (("parameters to the query", queries), ("headers", routes)):
        if any(other != each[0] for other in each):
            msg = f"its synchronous and its asynchronous client add different {what}"
            raise UnclearSettingError(msg)
    return identity.with_parameters({"query": queries[0], "routed_by": routes[0]})


def _may_route(values: Mapping[object, Any]) -> bool:
    """Return whether requests may go to another server than a provider's own; asked at each call."""
    for url in values[Urls]:
        if url is None or not is_providers_own(str(url)):
            return True
    for value in values.values():
        kind = value.__class__
        is_url = "://" in value if kind is str else kind.__name__ in _KINDS_OF_URLS
        if is_url and not is_providers_own(str(value)):
            return True
    return False


def _sent_at(embedder: object, paths: tuple[tuple[str, ...], ...]) -> Sent:
    """Return what the headers and clients at some paths add, those of a later one in the place of an earlier one's."""
    headers: dict[str, str] = {}
    query: dict[str, Any] = {}
    for steps in paths:
        found = read(embedder, steps)
        if hasattr(found, "items"):
            headers.update(routing_headers(found))
        elif found is not None:
            more, parameters = sent_by(found)
            headers.update(more)
            query.update(parameters)
    return headers, query


def _to_be_sent(embedder: object) -> Sent:
    """Return what a client adds that is yet to be built."""
    headers, query = _sent_at(embedder, _TO_BE)
    for steps in _QUERIES_TO_BE:
        query.update(query_of(read(embedder, steps)))
    return headers, query
