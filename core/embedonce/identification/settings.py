"""What adapters share in reading an embedder's settings: which names matter, and one spelling for their values.

Settings of the same model must come out alike whichever framework holds them, and a secret must not come out at all.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from embedonce.secrets import SECRET_VALUE, is_secret


class UnclearSettingError(ValueError):
    """The reason why an embedder cannot be identified; the adapter adds the class and the remedy."""


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
# Names in the query of a signed URL (Azure, AWS, Google); `code` is the key of an Azure function.
_SIGNATURE = re.compile(r"sig|signature|x-(?:amz|goog)-signature|code")
_SIGNED = re.compile(r"se|st|sp|sv|sr|srt|ss|spr|sk\w{1,3}|expires|googleaccessid|x-(?:amz|goog)-.*")


@lru_cache(maxsize=2048)
def is_operational(name: str) -> bool:
    """Tell whether a name is that of a setting that only changes how a request travels."""
    bare = name.lstrip("_").lower()
    return bare in OPERATIONAL or _TRANSPORT.fullmatch(bare) is not None


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_URL_NAME = re.compile(r"(?:.*_)?(?:url|uri|endpoint|base|host|server|address)", re.IGNORECASE)
_LEFT_OUT = object()


def is_url(text: str) -> bool:
    """Tell whether a text is an URL."""
    return _URL.fullmatch(text) is not None


def clean_url(url: str) -> str:
    """Return an URL without secrets, in one spelling: no user, no signature, no default port, no trailing slash."""
    if "://" not in url:
        return clean_url(f"x://{url.strip()}").removeprefix("x://")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # Not chained: the text of the original error may quote the URL.
        msg = "it has an URL that cannot be parsed"
        raise UnclearSettingError(msg) from None
    host = f"[{host}]" if ":" in host else host
    if port is not None and port != {"http": 80, "https": 443}.get(parts.scheme):
        host = f"{host}:{port}"
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [
        (name, value)
        for name, value in query
        if not (is_secret(name) or _SIGNATURE.fullmatch(name.lower()) or SECRET_VALUE.fullmatch(value))
    ]
    if len(kept) < len(query):
        kept = [(name, value) for name, value in kept if not _SIGNED.fullmatch(name.lower())]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), urlencode(sorted(kept)), ""))


def _plain_text(name: str, value: str) -> Any:
    if SECRET_VALUE.fullmatch(value):
        return _LEFT_OUT
    if _URL.fullmatch(value) or (_URL_NAME.fullmatch(name) and ("@" in value or "?" in value)):
        return clean_url(value)
    return value


def _plain(name: str, value: Any, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if isinstance(value, Enum):
        return _plain(name, value.value, depth)
    if isinstance(value, str):
        return _plain_text(name, str(value))
    if isinstance(value, PurePath):
        return str(value)
    if kind is float and math.isfinite(value):
        return value
    if depth > 20:
        msg = f"its field {name!r} is nested too deeply"
        raise UnclearSettingError(msg)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        inner = ((key, _plain(key, each, depth + 1)) for key, each in value.items() if not is_skipped(key, each))
        return {key: each for key, each in inner if each is not _LEFT_OUT}
    if isinstance(value, list | tuple | set | frozenset):
        items = [each for each in (_plain(name, item, depth + 1) for item in value) if each is not _LEFT_OUT]
        return sorted(items, key=json.dumps) if isinstance(value, set | frozenset) else items
    root = kind.__module__.partition(".")[0]
    if root == "numpy" and getattr(value, "shape", None) == ():
        return _plain(name, value.item(), depth + 1)
    if (root, kind.__name__) == ("torch", "dtype"):
        # A constant, not a live object, and its name is its whole value.
        return str(value).removeprefix("torch.")
    msg = f"its field {name!r} holds a {kind.__module__}.{kind.__qualname__}, which is no plain data"
    raise UnclearSettingError(msg)


def is_skipped(name: str, value: Any) -> bool:
    """Tell whether a field stays out of an identity, because it is a secret or operational."""
    if is_operational(name) or type(value).__name__ in ("SecretStr", "SecretBytes", "Secret"):
        return True
    # A flag is no secret, and leaving it out might make two settings look alike.
    return is_secret(name) and value is not None and type(value) is not bool


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as plain JSON, without secrets and operational ones.

    Raises:
        UnclearSettingError: A setting is a live object, which has no form that is the same tomorrow.
    """
    return dict(_plain("", settings, 0))


def local_files(path: str) -> dict[str, str]:
    """Return a parameter that tells apart what a local path holds now from what it held before; else nothing.

    Names, sizes, times and samples of the files are digested: reading gigabytes of weights would take seconds.
    A copy on another machine therefore counts as another model, unless the caller passes a namespace.
    """
    top = Path(path)
    if not path or not top.exists():
        return {}
    digest = hashlib.sha256()
    try:
        found = sorted(_model_files(top)) if top.is_dir() else [(top.name, top)]
        for name, file in found:
            status = file.stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogatepass"))
            with file.open("rb") as stream:
                for position in sorted({status.st_size * part // 8 for part in range(8)}):
                    stream.seek(position)
                    digest.update(stream.read(65536))
    except OSError:
        msg = "the files of its local model cannot be read"
        raise UnclearSettingError(msg) from None
    return {"files": digest.hexdigest()[:32]}


def _model_files(top: Path) -> Iterable[tuple[str, Path]]:
    count = 0
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith(".") or name.lower().endswith(".md"):
                continue
            count += 1
            if count > 2000:
                msg = "its local model is a folder of more than 2000 files"
                raise UnclearSettingError(msg)
            file = Path(folder, name)
            yield file.relative_to(top).as_posix(), file
