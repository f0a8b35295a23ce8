"""The plugin of a stranger's adapter for the made-up framework."""

from __future__ import annotations

import sys

from embedonce import hookimpl


@hookimpl
def embedonce_wrap(embedder, cache, options):
    kind = getattr(sys.modules.get("acme"), "AcmeEmbedder", None)
    if kind is None or not isinstance(embedder, kind):
        return None
    from acme_cached import CachedAcme

    return CachedAcme(embedder, cache, options)
