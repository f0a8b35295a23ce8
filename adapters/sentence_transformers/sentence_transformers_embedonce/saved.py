"""What the files of a loaded model say of it, so that changes made after loading can be found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce.identification import Same, UnclearSettingError, frozen, is_skipped, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NO_SETTINGS = (
    *("_name_or_path", "_commit_hash", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version"),
    "use_cache",
)
"""What a configuration of transformers holds besides that which decides the vectors."""
_TOKENIZER = (
    *("add_bos_token", "add_eos_token", "add_prefix_space", "do_lower_case", "keep_accents", "lowercase"),
    *("padding_side", "strip_accents", "tokenize_chinese_chars", "truncation_side"),
)
_SIDES = {"padding_side": "right", "truncation_side": "right"}
_LARGE = ("vocab", "word_weights")
_SUGGESTED = frozenset({"modality_config", "module_output_name"})
_MISSING = object()


class Saved(NamedTuple):
    """What the files of a model say; `folder` is None if it is not known where they are.

    Attributes:
        folder: Where they are.
        settings: Of the model: its prompts, the name of the default one, and where its vectors are cut.
        dtype: Of its numbers, None if they do not say it.
    """

    folder: Path | None
    settings: Mapping[str, Any]
    dtype: str | None

    @classmethod
    def at(cls, folder: Path | None) -> Saved:
        """Read the files of a folder, whose configuration may be that of a network alone."""
        if folder is None:
            return cls(None, {}, None)
        net = _read(folder / "config.json")
        if not net:
            first = next(iter(_modules_of(folder)), {"path": ""})
            net = _read(folder / str(first["path"]) / "config.json")
        dtype = net.get("dtype") or net.get("torch_dtype")
        return cls(folder, _read(folder / "config_sentence_transformers.json"), dtype)

    @property
    def default_prompt(self) -> str | None:
        """What is put before each text by default, None if nothing is known."""
        if self.folder is None:
            return None
        return (self.settings.get("prompts") or {}).get(self.settings.get("default_prompt_name")) or ""


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _modules_of(folder: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads((folder / "modules.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []


def structure(modules: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the modules of a model: their names, classes and settings, without their weights."""
    return {name: _settings(module) for name, module in modules.items()}


def _settings(module: Any) -> dict[str, Any]:
    kind = type(module)
    own = dict(module.get_config_dict()) if hasattr(module, "get_config_dict") else {}
    # Where it cuts texts is a setting of the model, and the rest of what a tokenizer does is looked at apart.
    own = {name: value for name, value in own.items() if name not in (*_LARGE, "max_seq_length")}
    if getattr(module, "do_lower_case", False) is True:
        own["do_lower_case"] = True
    return {"class": kind.__name__, **own}


def differences(modules: Mapping[str, Any], saved: Saved) -> dict[str, Any]:
    """Return in what a loaded model differs from its files, as parameters; all that counts if they are not found.

    Raises:
        UnclearSettingError: A module has settings that cannot be written down, or weights that are in no file.
    """
    found: dict[str, Any] = {}
    if not _are_saved(modules, saved.folder):
        _check_added(modules, saved.folder)
        found["modules"] = [{"name": name, **settings} for name, settings in structure(modules).items()]
    first = next(iter(modules.values()))
    found["net_config"] = _changed_config(first, saved.folder)
    found["tokenizer"] = _changed_tokenizer(first, saved.folder)
    return plain({name: value for name, value in found.items() if value})


def _are_saved(modules: Mapping[str, Any], folder: Path | None) -> bool:
    """Return whether the modules are those of the files: loaded once more, which is cheap for all but the first."""
    if folder is None:
        return False
    try:
        described = _modules_of(folder)
        if not described:
            return _is_network_alone(list(modules.values()))
        if [each["name"] for each in described] != list(modules):
            return False
        return _is_first(modules[described[0]["name"]], described[0], folder) and all(
            _is_class(modules[each["name"]], each["type"])
            and _settings(type(modules[each["name"]]).load(str(folder), subfolder=each["path"], local_files_only=True))
            == _settings(modules[each["name"]])
            for each in described[1:]
        )
    except Exception:
        # A module of another package, which is loaded in another way.
        return False


def _check_added(modules: Mapping[str, Any], folder: Path | None) -> None:
    if folder is None:
        return
    known = {each["name"]: each["type"] for each in _modules_of(folder)}
    for name, module in list(modules.items())[1:]:
        if any(True for _ in module.parameters()) and not (name in known and _is_class(module, known[name])):
            msg = f"its module {name!r}, a {type(module).__name__}, was added, and its weights have no name"
            raise UnclearSettingError(msg)


def _is_network_alone(modules: list[Any]) -> bool:
    """Return whether modules are what the package makes of a network: the mean of its tokens."""
    first, pooling = modules
    usual = type(pooling)(first.get_embedding_dimension(), "mean")
    return (
        type(pooling).__name__ == "Pooling" and _settings(usual) == _settings(pooling) and _is_first(first, None, None)
    )


def _is_first(module: Any, described: Mapping[str, Any] | None, folder: Path | None) -> bool:
    """Return whether the module that holds the network has the settings of its file."""
    file: dict[str, Any] = {}
    if described is not None and folder is not None:
        if not _is_class(module, described["type"]):
            return False
        file = _read(folder / described["path"] / str(getattr(module, "config_file_name", "config.json")))
    usual = {"do_lower_case": False, "transformer_task": "feature-extraction", **file}
    own = {"do_lower_case": False, **_settings(module)}
    # What the network itself suggests need not be in the file.
    return all(
        name in _SUGGESTED or own[name] == usual.get(name) for name in own if name != "class" or name in file
    ) and all(own[name] == file[name] for name in _SUGGESTED & own.keys() & file.keys())


def _is_class(module: Any, path: str) -> bool:
    # Classes have moved between versions of the package.
    return type(module).__name__ == path.rpartition(".")[2]


def _changed_config(first: Any, folder: Path | None) -> dict[str, Any]:
    """Return where the configuration of the network differs from its file, or from the defaults without one."""
    config = getattr(getattr(first, "auto_model", None), "config", None)
    if config is None:
        return {}
    try:
        assert folder is not None
        path = folder if (folder / "config.json").exists() else folder / _modules_of(folder)[0]["path"]
        usual = type(config).from_pretrained(str(path)).to_dict()
        now = config.to_dict()
    except Exception:
        usual, now = {}, config.to_diff_dict()
    return {
        name: value
        for name, value in now.items()
        if name not in _NO_SETTINGS
        and not name.startswith("_attn_")
        and not is_skipped(name, value)
        and usual.get(name, _MISSING) != value
    }


def tokenizer_state(modules: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what may be changed of a tokenizer, and which one it is."""
    tokenizer = getattr(next(iter(modules.values())), "tokenizer", None)
    sides = [getattr(tokenizer, name, None) for name in _SIDES]
    return (Same(tokenizer), *sides, frozen(getattr(tokenizer, "truncation", None)))


def _changed_tokenizer(first: Any, folder: Path | None) -> dict[str, Any]:
    tokenizer = getattr(first, "tokenizer", None)
    own = getattr(tokenizer, "init_kwargs", None)
    if not isinstance(own, dict):
        # One of the package tokenizers, whose whole state is visible.
        cut = getattr(tokenizer, "truncation", None)
        file = {} if folder is None else _read(folder / "tokenizer.json")
        return {} if cut is None or cut == file.get("truncation") else {"truncation": cut}
    file = {}
    if folder is not None:
        path = folder if (folder / "tokenizer_config.json").exists() else folder / "0_Transformer"
        file = _read(path / "tokenizer_config.json")
    now = {name: getattr(tokenizer, name, own.get(name)) if name in _SIDES else own.get(name) for name in _TOKENIZER}
    usual = {name: file.get(name, _SIDES.get(name)) for name in _TOKENIZER}
    if folder is None or not file:
        return {name: value for name, value in now.items() if value is not None}
    return {name: value for name, value in now.items() if value != usual[name]}
