"""Which settings count: by their names, and by the types that frameworks have for secrets."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from embedonce.secrets import is_credential, is_secret, looks_secret

_OPERATIONAL = """
batch_size callback_manager callbacks chunk_size embed_batch_size max_batch_size max_concurrency
max_concurrent_requests max_retries n_jobs num_workers parallel progress progress_bar request_options
request_timeout retries retry run_manager show_progress show_progress_bar thread_count threads timeout
verbose workers
"""
OPERATIONAL = frozenset(_OPERATIONAL.split())
"""Names of call arguments that never change vectors."""

_TRANSPORT = re.compile(
    r"(?:.*_)?(?:clients?|client_(?:kwargs|args|options)|session|timeouts?|retries|retry|(?:batch|chunk)_size"
    r"|callbacks?|progress|progress_bar|headers|prox(?:y|ies)|lock|executor|logger|limiter|semaphore|organi[sz]ation"
    r"|org|org_id|user_agent|devices?|device_map|n_jobs|threads?|(?:num|max)_workers|parallelism"
    r"|telemetry|verify_ssl|cache|cache_(?:folder|dir|path)|callback_manager|rate_limiter)"
    r"|(?:max_|num_)?(?:retry|retries|concurren)\w*|show_progress\w*|local_files_only|keep_alive"
)


@lru_cache(maxsize=2048)
def is_operational(name: str) -> bool:
    """Return whether a name is that of a setting that only changes how a request travels."""
    plain = name.lstrip("_").lower()
    return plain in OPERATIONAL or _TRANSPORT.fullmatch(plain) is not None


def is_skipped(name: str, value: Any) -> bool:
    """Return whether a field stays out of an identity, because it is a secret or operational."""
    if is_operational(name) or type(value).__name__ in ("SecretStr", "SecretBytes", "Secret"):
        return True
    # A flag is not a secret, and leaving it out might make two settings look alike; nor is what only has such a name.
    if not is_secret(name) or value is None or type(value) is bool:
        return False
    return is_credential(name) or not isinstance(value, str | int | float) or looks_secret(str(value))
