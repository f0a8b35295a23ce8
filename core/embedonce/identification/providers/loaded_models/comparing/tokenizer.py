"""What may be changed of a tokenizer, and in what it differs from its files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from embedonce.identification.fields.frozen import Same, frozen
from embedonce.identification.providers.loaded_models.comparing.saved import read_json
from embedonce.identification.settings.files import remembered_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SETTINGS = (
    *("add_bos_token", "add_eos_token", "add_prefix_space", "do_lower_case", "keep_accents", "lowercase"),
    *("padding_side", "strip_accents", "tokenize_chinese_chars", "truncation_side"),
)
_SIDES = {"padding_side": "right", "truncation_side": "right"}
_STEPS = ("normalizer", "pre_tokenizer", "post_processor")


def tokenizer_of(modules: Mapping[str, Any]) -> Any:
    """Return the tokenizer of a model, None if it has none."""
    return getattr(next(iter(modules.values())), "tokenizer", None)


def tokenizer_state(modules: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what may be changed of a tokenizer, and which one it is."""
    tokenizer = tokenizer_of(modules)
    sides = [getattr(tokenizer, name, None) for name in _SIDES]
    cut = getattr(tokenizer, "truncation", None)
    return (Same(tokenizer), *sides, frozen(cut), tuple(_steps(tokenizer).items()), _words(tokenizer))


def _inside(tokenizer: Any) -> Any:
    """Return the tokenizer of the package tokenizers that does the work; None for one that is written in Python."""
    inside = getattr(tokenizer, "backend_tokenizer", tokenizer)
    return inside if hasattr(inside, "get_vocab_size") else None


def _steps(tokenizer: Any) -> dict[str, str]:
    """Return how texts are prepared, as JSON."""
    inside = _inside(tokenizer)
    steps = {name: getattr(inside, name, None) for name in _STEPS}
    return {name: _written(step) for name, step in steps.items()}


def _written(step: Any) -> str:
    try:
        return "null" if step is None else json.dumps(json.loads(step.__getstate__()), sort_keys=True)
    except (TypeError, ValueError, AttributeError):
        # A step that is written in Python, which nothing can be compared with.
        return f"{type(step).__module__}.{type(step).__qualname__}"


def _words(tokenizer: Any) -> str:
    inside = _inside(tokenizer)
    return "" if inside is None else str(inside.get_vocab_size())


def changed_tokenizer(first: Any, folder: Path | None) -> dict[str, Any]:
    """Return in what a tokenizer differs from its files, all that counts if they are not found.

    Args:
        first: The module that has it.
        folder: Where the files of the model are.
    """
    tokenizer = getattr(first, "tokenizer", None)
    own = getattr(tokenizer, "init_kwargs", None)
    place = place_of(folder)
    steps = _changed_steps(tokenizer, place)
    if not isinstance(own, dict):
        # One of the package tokenizers.
        cut = getattr(tokenizer, "truncation", None)
        is_saved = cut is None or (place is not None and cut == read_json(place / "tokenizer.json").get("truncation"))
        return steps if is_saved else {"truncation": cut, **steps}
    return {**_changed_settings(tokenizer, own, place), **steps}


def _changed_settings(tokenizer: Any, own: Mapping[str, Any], place: Path | None) -> dict[str, Any]:
    now = {name: getattr(tokenizer, name, own.get(name)) if name in _SIDES else own.get(name) for name in SETTINGS}
    return settings_in({name: value for name, value in now.items() if value is not None or place is not None}, place)


def settings_in(given: Mapping[str, Any], place: Path | None) -> dict[str, Any]:
    """Return which settings of a tokenizer are not those of its files; all of them if the files are not found."""
    file = {} if place is None else read_json(place / "tokenizer_config.json")
    if not file:
        return {name: value for name, value in given.items() if value is not None}
    return {name: value for name, value in given.items() if value != file.get(name, _SIDES.get(name))}


def place_of(folder: Path | None) -> Path | None:
    """Return where in the folder of a model the files of its tokenizer are."""
    if folder is None:
        return None
    names = ("tokenizer_config.json", "tokenizer.json")
    places = (folder, folder / "0_Transformer", folder / "0_StaticEmbedding")
    return next((each for each in places if any((each / name).exists() for name in names)), folder)


def _changed_steps(tokenizer: Any, place: Path | None) -> dict[str, Any]:
    """Return a digest of how texts are prepared and of the number of words, where that is not what the files say."""
    inside = _inside(tokenizer)
    if inside is None or place is None:
        return {}
    now = {**_steps(tokenizer), "words": _words(tokenizer)}
    file = place / "tokenizer.json"
    # To read the words takes a while, and to load a tokenizer even longer.
    if file.exists() and now == remembered_of(file, "tokenizer", lambda: _from_file(file)):
        return {}
    if now == _loaded_again(tokenizer, place):
        return {}
    return {"steps": hashlib.sha256(repr(now).encode()).hexdigest()[:32]}


def _from_file(file: Path) -> dict[str, str]:
    content = read_json(file)
    model = content.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(words, dict):
        return {}
    added = [each.get("content") for each in content.get("added_tokens") or ()]
    steps = {name: json.dumps(content.get(name), sort_keys=True) for name in _STEPS}
    return {**steps, "words": str(len({*words, *added}))}


def _loaded_again(tokenizer: Any, place: Path) -> dict[str, str]:
    """Return what a tokenizer does when it is loaded once more, as its class may add to what the files say."""
    load = getattr(type(tokenizer), "from_pretrained", None)
    try:
        own = getattr(tokenizer, "init_kwargs", {})
        usual = load and load(str(place), local_files_only=True, **_changed_settings(tokenizer, own, place))
    except Exception:
        # Not without arguments that only its owner knows.
        return {}
    return {**_steps(usual), "words": _words(usual)}
