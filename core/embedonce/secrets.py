"""Secrets: how they are recognised, and kept out of identities and of what is shown, pickled and logged."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECRET_WORD = re.compile(
    r"secrets?|passwords?|passwd|pwd|passphrase|credentials?|auth|authorization|authentication|bearer|cookies?|jwt"
    r"|apikeys?|signature|sas|pat|dsn|webhook"
)
# Words that make a name with "key" or "token" a plain setting, such as `input_key` or `pad_token`.
_BEFORE_KEY = re.compile(r"input|output|text|content|embeddings?|vector|field|result|response|document")
_NEXT_TO_TOKEN = re.compile(r"pad|cls|eos|bos|sep|mask|unk|special|limit|count|type|length|budget|ids")
# How the keys of well-known services begin.
_KEYS = (
    r"(?<![A-Za-z0-9])(?:(?:sk|pk|rk)-[\w-]*\d[\w-]{15,}|(?:sk|pk|rk)_(?:live|test)_\w{16,}|hf_\w{16,}|nvapi-\S+"
    r"|AIza[\w-]{20,}|A[KS]IA[A-Z0-9]{12,}|gh[pousr]_\w{16,}|xox[a-z]-\S+|eyJ[\w-]+\.[\w.-]+|dapi[0-9a-f]{16,}\S*"
    r"|glpat-[\w-]{16,}|github_pat_\w{16,}|pa-[\w-]{24,}|jina_\w{16,}|(?:gsk|r8|pcsk|xai|fw|npm|tgp_v1)_\w{16,}"
    r"|xai-\w{16,}|pypi-[\w-]{16,}|SG\.[\w-]{16,}\.[\w-]{16,}|ya29\.[\w-]{16,}|\d{8,10}:AA[\w-]{20,})"
)
_TOKENS = re.compile(_KEYS)
SECRET_VALUE = re.compile(rf"(?:Bearer|Basic) [\w+/=.-]{{16,}}|{_KEYS}")
"""Values that are secrets under any name: bearer tokens and the keys of well-known services."""


@lru_cache(maxsize=2048)
def is_secret(name: str) -> bool:
    """Return whether a name is that of a key, a token or the like; the one list for settings, options and URLs."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().replace("-", "_").split("_")
    for before, word in zip(["", *words], words, strict=False):
        if _SECRET_WORD.fullmatch(word) or (word in ("key", "keys") and not _BEFORE_KEY.fullmatch(before)):
            return True
    if words == ["sig"] or "connection_string" in "_".join(words):
        return True
    return "token" in words and not any(map(_NEXT_TO_TOKEN.fullmatch, words))


# A key or a token is certainly one beside these words; others may be settings, such as `query_token` or `task_key`.
_PLAIN_KEY = re.compile(
    r"query|prompt|task|passage|instruction|role|prefix|suffix|start|end|begin|model|cache|sort|group|config|index"
    r"|language|lang|pooling|pool|target|source|separator|delimiter|special|head|layer|mode|type|name|column"
)
_AMBIGUOUS = re.compile(r"auth|signature")
_IN_TEXT = re.compile(
    r"-----BEGIN|(?<![\w-])[\w-]*(?:key|password|passwd|pwd|token|secret|signature|credentials?)[\w-]*[\"']?\s*[=:]\s*[\"']?\S"
    r"|//[^/\s]*:[^/\s]*@|hooks\.|/webhooks?/|authorization\s*:|login\s+\S+\s+password\s"
    r"|(?<![\w-])--?[\w-]*(?:key|password|passwd|pwd|token|secret)\s+\S"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    re.IGNORECASE,
)
# What settings of known classes hold is written in clear unless it certainly is a secret: revisions and the names of
# deployments look like noise, too.
_CERTAIN = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|(?:password|passwd|pwd|secret|key|token)(?:[\"']?\s*=\s*[\"']?|[\"']\s*:)\s*\S"
    r"|(?:api|access|account|private)_?key\s*:\s*\S|//[^/\s]*:[^/\s]*@|hooks\.slack\.|/webhooks/|authorization\s*:"
    r"|(?:bearer|basic)\s+(?=\S*\d)[\w+/=.-]{16,}|(?<![\w-])--?[\w-]*(?:key|password|passwd|pwd|token|secret)\s+\S"
    r"|login\s+\S+\s+password\s|[?&](?:sig|code|[\w-]*(?:token|key|secret|password|signature|credential))=[^&\s]",
    re.IGNORECASE,
)
# With digits in many places, unlike the names of deployments.
_MIXED = re.compile(r"(?=(?:\D*\d+(?!\d)){4})(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+=]{20,}")
# Long and without the breaks that names have: letters with digits among them, or very many letters.
_RANDOM = re.compile(r"\d{16,}|(?=[A-Za-z+/=]*\d)(?=[\d+/=]*[A-Za-z])[\w+=]{16,}|[A-Za-z0-9+=]{32,}")

# With breaks as tokens have them: many letters of both cases with digits, or many digits.
_NOISE = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[\w+=.~-]{32,}|(?=.*[A-Za-z])(?=(?:\D*\d){5})[\w+=.~-]{16,}")
# Secret access keys of AWS, which have slashes.
_AWS = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9/+]{40}")


@lru_cache(maxsize=2048)
def is_credential(name: str) -> bool:
    """Return whether a name can only be that of a secret, unlike `query_token`, `task_key`, `auth_mode` or `dsn`."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().replace("-", "_").strip("_").split("_")
    if not is_secret(name):
        return False
    if len(words) == 1:
        return words[0] not in ("signature", "dsn", "webhook")
    certain = [word for word in words if _SECRET_WORD.fullmatch(word) and not _AMBIGUOUS.fullmatch(word)]
    if certain or "connection_string" in "_".join(words):
        return True
    return bool({"key", "keys", "token"} & set(words)) and not any(map(_PLAIN_KEY.fullmatch, words))


def looks_secret(text: str) -> bool:
    """Return whether a text looks like a secret or holds one: a key, a password in a list, a private key, noise."""
    if SECRET_VALUE.search(text) or _IN_TEXT.search(text) or _CERTAIN.search(text):
        return True
    parts = ((_RANDOM, r"[\s/:;,.?&@_-]+"), (_NOISE, r"[\s/]+"), (_AWS, r"[\s:;,=&\"']+"))
    return any(kind.fullmatch(part) for kind, breaks in parts for part in re.split(breaks, text))


@lru_cache(maxsize=2048)
def certainly_secret(text: str, *, is_name: bool = False) -> bool:
    """Return whether a text certainly is or holds a secret; fewer are than `looks_secret` takes for one.

    Args:
        text: The text.
        is_name: True for the name of a model, which may look random.
    """
    if _TOKENS.search(text) or _CERTAIN.search(text):
        return True
    return not is_name and _MIXED.fullmatch(text) is not None


@lru_cache(maxsize=2048)
def stand_in(text: str) -> str:
    """Return a digest of a text that must not be shown."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _is_secret_in_url(name: str) -> bool:
    # `code` is the key of an Azure function.
    return name.lower() == "code" or is_secret(name)


_PASSWORD = re.compile(r"(?<=//)([^/@:]*):([^/]*)@")
_QUERY = re.compile(r"\?([^:]*)(?=::|$)")
_NAMED = re.compile(r"([A-Za-z]\w*)=(.*[^=].*)")
# What stands beside the signature of a signed URL (Azure, AWS, Google).
_SIGNED = re.compile(r"se|st|sp|sv|sr|srt|ss|spr|sk\w{1,3}|expires|googleaccessid|x-(?:amz|goog)-.*")
# Values that are not secrets although the name of the option is one, such as those of gcsfs' `token`.
_WORDS = frozenset(("anon", "google_default", "cache", "cloud", "browser"))
_SHORTEST = 4
"""Shorter texts hardly protect anything, and hiding them would make messages unreadable."""
LEFT_OUT = object()


class Hidden(str):
    """A secret under a name that may look harmless."""

    __slots__ = ()


@dataclass(frozen=True)
class Recipe:
    """How to make a file system again: it cannot be pickled itself, since that would hold its secrets in clear."""

    kind: type[Any]
    options: dict[str, Any]

    @classmethod
    def of(cls, fs: Any) -> Recipe:
        """Return the recipe of an fsspec file system."""
        # Arguments by position get their names, which tell secrets from others.
        names = list(inspect.signature(type(fs).__init__).parameters)[1:]
        given = {**dict(zip(names, fs.storage_args, strict=False)), **fs.storage_options}
        return cls(type(fs), {name: cls.of(each) if _is_file_system(each) else each for name, each in given.items()})

    def make(self) -> Any:
        """Return the file system."""
        options = {name: each.make() if isinstance(each, Recipe) else each for name, each in self.options.items()}
        return self.kind(**options)


def _is_file_system(value: Any) -> bool:
    return hasattr(value, "storage_options") and hasattr(value, "storage_args")


def shown_url(url: str) -> str:
    """Return a URL for messages: no user with a password, no query."""
    return _QUERY.sub("?…", _PASSWORD.sub("", url))


def url_without_secrets(url: str) -> str:
    """Return a URL without password and signature; a user alone stays, since Azure writes containers there."""
    return _QUERY.sub(lambda query: "" if _is_signed(query[1]) else query[0], _PASSWORD.sub(r"\1@", url))


def _is_signed(query: str) -> bool:
    return any(_is_secret_in_url(name) for name, _ in parse_qsl(query, keep_blank_values=True))


def query_without_secrets(query: str) -> list[tuple[str, str]]:
    """Return the pairs of a URL's query that are neither secret nor part of a signature."""
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not (_is_secret_in_url(name) or SECRET_VALUE.fullmatch(value))]
    is_signed = len(kept) < len(pairs)
    return [pair for pair in kept if not (is_signed and _SIGNED.fullmatch(pair[0].lower()))]


def without_secrets(value: Any, name: str = "") -> Any:
    """Return options without secrets and without what is not plain data; `LEFT_OUT` if nothing is left."""
    if isinstance(value, Recipe):
        return Recipe(value.kind, without_secrets(value.options))
    if isinstance(value, Hidden):
        return LEFT_OUT
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_secret(name) and not _is_harmless(value):
        return LEFT_OUT
    if isinstance(value, str):
        return url_without_secrets(value) if "://" in value else value
    if isinstance(value, Mapping):
        copies = {key: without_secrets(each, str(key)) for key, each in value.items()}
        return {key: each for key, each in copies.items() if each is not LEFT_OUT}
    if isinstance(value, list | tuple):
        items = [each for each in (without_secrets(each, name) for each in value) if each is not LEFT_OUT]
        return tuple(items) if isinstance(value, tuple) else items
    return value if isinstance(value, bytes | PurePath) else LEFT_OUT


def store_without_secrets(store: object) -> object:
    """Return a path or URL without password; something else stands for a store that is neither."""
    if isinstance(store, PurePath):
        return store
    return without_secrets(store) if store is None or isinstance(store, str) else "a store that is not a path or URL"


def texts_in(value: Any, name: str = "", *, secret: bool = False) -> set[str]:
    """Return the texts in options that must not be shown.

    Args:
        value: Options, a URL or a recipe.
        name: Name of the option that it is the value of.
        secret: True if it is part of a secret.
    """
    secret = secret or isinstance(value, Hidden) or is_secret(name)
    if isinstance(value, Recipe):
        return texts_in(value.options)
    if isinstance(value, Mapping):
        return {text for key, each in value.items() for text in texts_in(each, str(key), secret=secret)}
    if isinstance(value, list | tuple | set | frozenset):
        return {text for each in value for text in texts_in(each, secret=secret)}
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return set()
    found: set[str] = set()
    if secret and not _is_harmless(value):
        found.add(value)
        for part in re.split(r"[;&?\s]+", value):
            named = _NAMED.fullmatch(part)
            found.update([part] if named is None else [named[2]] if is_secret(named[1]) else [])
    if "://" in value:
        found.update(text for each in _PASSWORD.finditer(value) for text in (each[2], unquote(each[2])))
        for query in _QUERY.finditer(value):
            found.update(text for each, text in parse_qsl(query[1]) if _is_secret_in_url(each))
    return {text for text in found if len(text) >= _SHORTEST}


def scrubbed(text: str, hidden: Iterable[str]) -> str:
    """Return a text with `…` in place of the texts that must not be shown."""
    for each in sorted(hidden, key=len, reverse=True):
        for spelled in (each, quote(each, safe=""), repr(each)[1:-1]):
            text = text.replace(spelled, "…")
    return text


def _is_harmless(value: Any) -> bool:
    """Return whether a value is not secret although its option has such a name: a mode, or the path of a file."""
    if not isinstance(value, str | PurePath):
        return False
    path = os.path.expanduser(value)
    return value in _WORDS or (os.path.isabs(path) and os.path.isfile(path))


_KEPT: dict[str, Any] = {}


def keep(content: Any) -> str:
    """Remember something in this process and its forks, and return a token that reveals nothing about it."""
    for token, kept in list(_KEPT.items()):
        if kept == content:
            return token
    token = os.urandom(16).hex()
    _KEPT[token] = content
    return token


def recall(token: str) -> Any:
    """Return what was kept under a token, None in another process."""
    return _KEPT.get(token)
