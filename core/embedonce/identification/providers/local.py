"""Models that are loaded into the process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedonce.identification.fields.unlisted import written
from embedonce.identification.known_classes import apart, identity_of, unless
from embedonce.identification.settings.files import LOCAL, local_files
from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.identity import Identity

LOAD_DEFAULTS = {"trust_remote_code": False, "backend": "torch", "revision": "main"}
ENCODE_DEFAULTS = {"normalize_embeddings": False, "precision": "float32", "output_value": "sentence_embedding"}
_IGNORED = ("convert_to_numpy", "convert_to_tensor", "pool", "use_auth_token", "model_card_data", "similarity_fn_name")


def settings(given: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as plain JSON without those that are ignored or at their default."""
    kept = {key: value for key, value in dict(given or {}).items() if key not in _IGNORED}
    return {key: value for key, value in written(kept).items() if key not in defaults or value != defaults[key]}


def load_settings(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what counts of the arguments that SentenceTransformer is built with."""
    return settings(given, LOAD_DEFAULTS)


def encode_settings(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what counts of the arguments of SentenceTransformer.encode."""
    counting = settings(given, ENCODE_DEFAULTS)
    return {("normalize" if key == "normalize_embeddings" else key): value for key, value in counting.items()}


def loaded(provider: str, model: Any, parameters: Mapping[str, Any], *, symmetric: bool) -> Identity:
    """Identify a model that is loaded from a hub, or from a local folder, which is known by what it holds."""
    files = local_files(model) if isinstance(model, str) else {}
    if files:
        model = LOCAL
    elif isinstance(model, str):
        model = _without_owner(model)
    return identity_of(provider, model, {**apart(parameters, ("files",)), **files}, symmetric=symmetric)


def prefixed(
    provider: str,
    model: Any,
    parameters: Mapping[str, Any],
    *,
    document_prefix: str | None,
    query_prefix: str | None,
) -> Identity:
    """Identify a loaded model whose texts get a prefix that depends on their role."""
    prefixes = {"document_prefix": document_prefix, "query_prefix": query_prefix}
    symmetric = (document_prefix or "") == (query_prefix or "")
    return loaded(provider, model, {**apart(parameters, prefixes), **prefixes}, symmetric=symmetric)


def sentence_transformers(
    model: Any,
    *,
    load: Mapping[str, Any] | None = None,
    documents: Mapping[str, Any] | None = None,
    queries: Mapping[str, Any] | None = None,
) -> Identity:
    """Identify a model of sentence-transformers.

    Args:
        model: Its name on the hub or its folder.
        load: Arguments that the SentenceTransformer is built with.
        documents: Arguments of `encode` for documents, such as `normalize_embeddings` and `prompt`.
        queries: The same for queries; not filled up with those for documents.
    """
    identity = loaded("sentence-transformers", model, load_settings(load), symmetric=True)
    return encoding_with(identity, documents, queries)


def encoding_with(
    identity: Identity, documents: Mapping[str, Any] | None, queries: Mapping[str, Any] | None
) -> Identity:
    """Return the identity of a loaded model of sentence-transformers for arguments of `encode`.

    Args:
        identity: That of the model itself, with what it was loaded with.
        documents: See `sentence_transformers`.
        queries: See `sentence_transformers`.
    """
    document, query = encode_settings(documents), encode_settings(queries)
    alike = apart(document, ("query",))
    if document == query:
        return identity.with_parameters(alike)
    of_load = {name: json.loads(value) for name, value in identity.written if name != "files"}
    # "plain" because an empty value would be left out.
    parameters = {**alike, "query": {**of_load, **query} or "plain"}
    return replace(identity.with_parameters(parameters), symmetric=False)


def sentence_transformers_not_cacheable(*encode: Mapping[str, Any] | None) -> str:
    """Return why vectors with some arguments of `encode` must not be cached; empty if they may be."""
    if any(encode_settings(each).get("precision") in ("int8", "uint8") for each in encode):
        return "int8 vectors are scaled by the other texts of their batch"
    return ""


def names_loaded(model: Any, loaded: Any) -> bool:
    """Return whether a name or folder is that of the model that is loaded, as far as that can be seen.

    Args:
        model: What the settings say.
        loaded: What the model itself says it was loaded from.
    """
    if not isinstance(loaded, str) or not loaded:
        return True
    folder, where = Path(model), Path(loaded)
    if where.exists():
        # A part of the model's folder; or of the hub's cache, in former versions.
        return not folder.exists() or folder.resolve() in (where.resolve(), *where.resolve().parents)
    return _without_owner(str(model)) == _without_owner(loaded)


def _without_owner(model: str) -> str:
    # The library itself looks for a name without an owner there.
    return model.removeprefix("sentence-transformers/")


def instructor(
    model: Any,
    *,
    document_instruction: str | None,
    query_instruction: str | None,
    load: Mapping[str, Any] | None = None,
    encode: Mapping[str, Any] | None = None,
) -> Identity:
    """Identify a model of InstructorEmbedding with the instructions that are in use."""
    instructions = {"document_instruction": document_instruction, "query_instruction": query_instruction}
    given = {**load_settings(load), **encode_settings(encode)}
    parameters = {**apart(given, instructions), **instructions}
    return loaded("instructor", model, parameters, symmetric=document_instruction == query_instruction)


def fastembed(
    model: Any,
    *,
    max_length: int | None = 512,
    document_method: str = "default",
    query_method: str | None = None,
    load: Mapping[str, Any] | None = None,
    folder: str | None = None,
    is_custom: bool = False,
) -> Identity:
    """Identify a model of FastEmbed.

    Args:
        model: Its name.
        max_length: Tokens beyond which a text is cut.
        document_method: `passage` if documents go through `passage_embed` instead of `embed`.
        query_method: `embed` if queries go through that instead of `query_embed`.
        load: Further arguments that the model is built with.
        folder: Where its files are, if not where FastEmbed downloads them.
        is_custom: True if a program has registered the model.

    Raises:
        UnclearSettingError: A program has registered it.
    """
    if is_custom:
        msg = "its model was registered by a program, which may give that name to another one"
        raise UnclearSettingError(msg)
    files = local_files(folder or "")
    parameters = {
        "max_length": unless(512, max_length),
        "document_method": unless("default", document_method),
        "query_method": query_method,
        "folder": None if files else folder,
        "files": None,
        **files,
    }
    return identity_of("fastembed", model, {**apart(settings(load, {}), parameters), **parameters})
