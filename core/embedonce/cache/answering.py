"""How a cache answers a call: at once, past the cache, or by the steps of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.cache.engine.bypass import bypassing
from embedonce.cache.engine.call import calling
from embedonce.cache.engine.state import CallState
from embedonce.errors import StoreError
from embedonce.plugins.host import observing
from embedonce.runtime.steps import Work

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedonce.cache.engine.state import CallOptions, Request
    from embedonce.cache.health import StoreHealth
    from embedonce.cache.opened import OpenedNamespaces
    from embedonce.identity import Identity
    from embedonce.runtime.steps import Steps


def single_hit(
    text: str, identity: Identity, role: str, namespaces: OpenedNamespaces, health: StoreHealth
) -> NDArray[Any] | None:
    """Return the vector of one text, shape (1, d); None if it takes a whole call to tell whether it is there.

    The steps of a call are for misses and for many texts: a single query that hits would wait longer for them than
    for its vector.
    """
    namespace = namespaces.get(identity.namespace)
    if namespace is None or observing() is not None or health.is_pausing(writing=False):
        return None
    try:
        vector = namespace.load_one(role, text, identity.dimensions)
    except StoreError:
        # It fails again, under the error policy.
        return None
    if vector is not None:
        health.succeeded(writing=False)
        health.single_hit()
    return vector


def answering(request: Request, namespaces: OpenedNamespaces, options: CallOptions) -> Steps[NDArray[Any]]:
    """Return the steps of a call, those of opening its namespace among them."""
    if options.mode == "off" or not request.texts:
        return (yield from bypassing(request, options))
    is_open = namespaces.get(request.identity.namespace) is not None
    namespace = yield Work(namespaces.open, request.identity, inline=is_open)
    state = yield Work(CallState, namespace, request, options, inline=request.is_small)
    return (yield from calling(state))
