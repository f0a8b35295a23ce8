"""The arguments of a component, serialised and read again: plain values, and secrets by their names alone."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from haystack.utils import Secret, deserialize_callable, serialize_callable
from haystack.utils.auth import TokenSecret

from embedonce import EmbeddingCache, secrets
from embedonce.options import wrap_defaults
from embedonce.secrets import LEFT_OUT, Hidden, is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping


def changed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that differ from the defaults of `wrap`."""
    defaults = {"store": None, **wrap_defaults()}
    return {name: value for name, value in options.items() if _differs(value, defaults.get(name, _MISSING))}


_MISSING = object()


def _differs(value: object, default: object) -> bool:
    return value is not default and (type(value) is not type(default) or value != default)


def arguments_of(store: object, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that build an equal wrapper; those of a ready cache stand for that cache."""
    made = store.arguments if isinstance(store, EmbeddingCache) else {"store": store}
    return {**changed(made), **options}


def resolved(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the values of the secrets in `storage_options`.

    Raises:
        ValueError: The environment does not hold a secret.
    """
    if "storage_options" not in options:
        return dict(options)
    return {**options, "storage_options": _resolved(options["storage_options"])}


def _resolved(value: Any) -> Any:
    if isinstance(value, Secret):
        found = value.resolve_value()
        return Hidden(found) if isinstance(found, str) else found
    if isinstance(value, dict):
        return {name: _resolved(each) for name, each in value.items()}
    return value


def without_secrets(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments for a pickle: secrets that stand in the environment stay, all others are left out."""
    kept = dict(arguments)
    if "storage_options" in kept:
        kept["storage_options"] = _without_secrets(kept["storage_options"])
    if isinstance(kept.get("store"), str):
        kept["store"] = secrets.without_secrets(kept["store"])
    elif "store" in kept and not isinstance(kept["store"], PurePath):
        kept["store"] = _LeftOut()
    return kept


class _LeftOut:
    """Stands for a secret, or for a store that is not a path or URL."""


def _without_secrets(value: Any, name: str = "") -> Any:
    if not isinstance(value, dict):
        return value
    # All that is part of a secret is one.
    above = name if is_secret(name) else ""
    kept = {
        name: each for name, each in value.items() if isinstance(each, Secret) and not isinstance(each, TokenSecret)
    }
    inner = {name: _without_secrets(each, above or str(name)) for name, each in value.items() if isinstance(each, dict)}
    others = {name: each for name, each in value.items() if name not in kept and name not in inner}
    stripped = {name: secrets.without_secrets(each, above or str(name)) for name, each in others.items()}
    plain = {name: each for name, each in stripped.items() if each is not LEFT_OUT}
    # A placeholder stays for what is left out, so that a copy is not serialised as if it were complete.
    return {**dict.fromkeys(value, _LeftOut()), **plain, **inner, **kept}


def written(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as plain values.

    Raises:
        ValueError: One of them is not a plain value, or holds a secret in clear text.
    """
    return {name: _written(name, value) for name, value in arguments.items()}


def _written(name: str, value: Any) -> Any:
    if name == "text_fn":
        return serialize_callable(value)
    if name == "storage_options":
        return _written_options(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, str) and secrets.without_secrets(value) != value:
        msg = f"{name} is a URL with a password or a signature in it, which must not be written down; " + _REMEDY
        raise ValueError(msg)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    msg = (
        f"{name} is a {type(value).__name__}, which cannot be written down; give a plain value, and the path or URL "
        "of a store instead of the store itself"
    )
    raise ValueError(msg)


_REMEDY = (
    "give credentials as a Secret, such as storage_options={'secret': Secret.from_env_var('AWS_SECRET_ACCESS_KEY')}, "
    "or let the driver find them itself"
)


def _written_options(options: Any, path: str = "storage_options", name: str = "") -> Any:
    if isinstance(options, Secret):
        return options.to_dict()
    if isinstance(options, dict):
        return {
            key: _written_options(each, f"{path}[{key!r}]", name if is_secret(name) else str(key))
            for key, each in options.items()
        }
    plain = secrets.without_secrets(options, name)
    # A list or a URL may be plain but for a part of it.
    if plain is LEFT_OUT or plain != options:
        msg = f"{path} is a secret in clear text or not a plain value, and must not be written down; {_REMEDY}"
        raise ValueError(msg)
    return options


def read(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments from what `written` has made of them."""
    arguments = dict(written)
    if arguments.get("storage_options"):
        arguments["storage_options"] = _read_options(arguments["storage_options"])
    if isinstance(arguments.get("text_fn"), str):
        arguments["text_fn"] = deserialize_callable(arguments["text_fn"])
    return arguments


def _read_options(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("type") in ("env_var", "token") and value.keys() <= {"type", "env_vars", "strict", "token"}:
        return Secret.from_dict(value)
    return {name: _read_options(each) for name, each in value.items()}
