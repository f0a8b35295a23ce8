"""In what a loaded model differs from its files, so that changes made after loading are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.identification.providers.loaded_models.comparing.network import parts, unusual_parts
from embedonce.identification.providers.loaded_models.comparing.saved import modules_of, read_json
from embedonce.identification.providers.loaded_models.comparing.tokenizer import changed_tokenizer
from embedonce.identification.settings.names import is_skipped
from embedonce.identification.settings.plain import UnclearSettingError, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from embedonce.identification.providers.loaded_models.comparing.saved import Saved

_NO_SETTINGS = (
    *("_name_or_path", "_commit_hash", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version"),
    "use_cache",
)
"""What a configuration of transformers holds besides that which decides the vectors."""
_LARGE = ("vocab", "word_weights")
_SUGGESTED = frozenset({"modality_config", "module_output_name"})
_MISSING = object()


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
        UnclearSettingError: A module has settings that cannot be written down or weights that are in no file, or the
            network has other parts than its configuration says.
    """
    found: dict[str, Any] = {}
    if not _are_saved(modules, saved.folder):
        _check_added(modules, saved.folder)
        found["modules"] = [{"name": name, **settings} for name, settings in structure(modules).items()]
    first = next(iter(modules.values()))
    found["parts"] = unusual_parts(first)
    found["net_config"] = _changed_config(first, saved.folder)
    found["tokenizer"] = changed_tokenizer(first, saved.folder)
    return plain({name: value for name, value in found.items() if value})


def _are_saved(modules: Mapping[str, Any], folder: Path | None) -> bool:
    """Return whether the modules are those of the files: loaded once more, which is cheap for all but the first."""
    if folder is None:
        return False
    try:
        described = modules_of(folder)
        if not described:
            return _is_network_alone(list(modules.values()))
        if [each["name"] for each in described] != list(modules):
            return False
        return _is_first(modules[described[0]["name"]], described[0], folder) and all(
            _is_class(modules[each["name"]], each["type"])
            and _is_as_loaded(modules[each["name"]], folder, each["path"])
            for each in described[1:]
        )
    except Exception:
        # A module of another package, which is loaded in another way.
        return False


def _is_as_loaded(module: Any, folder: Path, path: str) -> bool:
    load = type(module).load
    try:
        usual = load(str(folder), subfolder=path, local_files_only=True)
    except TypeError:
        # Up to version 4 of the package.
        usual = load(str(folder / path))
    return _settings(usual) == _settings(module) and parts(usual) == parts(module)


def _check_added(modules: Mapping[str, Any], folder: Path | None) -> None:
    if folder is None:
        return
    known = {each["name"]: each["type"] for each in modules_of(folder)}
    for name, module in list(modules.items())[1:]:
        if any(True for _ in module.parameters()) and not (name in known and _is_class(module, known[name])):
            msg = f"its module {name!r}, a {type(module).__name__}, was added, and its weights have no name"
            raise UnclearSettingError(msg)


def _is_network_alone(modules: list[Any]) -> bool:
    """Return whether modules are what the package makes of a network: the mean of its tokens."""
    first, pooling = modules
    width = getattr(first, "get_embedding_dimension", None) or first.get_word_embedding_dimension
    usual = type(pooling)(width(), "mean")
    return (
        type(pooling).__name__ == "Pooling" and _settings(usual) == _settings(pooling) and _is_first(first, None, None)
    )


def _is_first(module: Any, described: Mapping[str, Any] | None, folder: Path | None) -> bool:
    """Return whether the module that holds the network has the settings of its file."""
    file: dict[str, Any] = {}
    if described is not None and folder is not None:
        if not _is_class(module, described["type"]):
            return False
        file = read_json(folder / described["path"] / str(getattr(module, "config_file_name", "config.json")))
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
        path = folder if (folder / "config.json").exists() else folder / modules_of(folder)[0]["path"]
        usual = type(config).from_pretrained(str(path)).to_dict()
        now = config.to_dict()
    except Exception:
        usual, now = {}, config.to_diff_dict()
    return config_in(now, usual)


def config_in(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides vectors of the configuration of a network and is not as usual."""
    return {
        name: value
        for name, value in given.items()
        if name not in _NO_SETTINGS
        and not name.startswith("_attn_")
        and not is_skipped(name, value)
        and usual.get(name, _MISSING) != value
    }
