"""Whether the weights of a loaded model are those of its files, all of them and every bit."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce.identification.providers.loaded_models.comparing.saved import modules_of
from embedonce.identification.settings.files import remembered_of
from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_LAYER = re.compile(r"\d+")
_MOST_AT_ONCE = 8
# Where there are several, the first ones are loaded.
_LOADED = (
    ("model.safetensors", "model-*-of-*.safetensors"),
    ("pytorch_model.bin", "pytorch_model-*-of-*.bin"),
)


class _Tensor(NamedTuple):
    """A tensor of a model or a file: a digest of all its numbers, and in which layer it is."""

    name: str
    digest: str
    layer: tuple[str, ...]


def unproven_weights(model: Any, folder: Path | None) -> str:
    """Return a digest of the weights of a model that its files do not hold; empty if they hold all.

    Weights without a file are told apart by their numbers: two models share the digest only if they have the same.

    Args:
        model: The model.
        folder: Where its files are, None if that is not known.

    Raises:
        UnclearSettingError: Its weights are not in memory.
    """
    parameters = list(model.named_parameters())
    if any(each.is_meta for _, each in parameters):
        msg = "its weights are not in memory"
        raise UnclearSettingError(msg)
    own = _digests({name: each.detach for name, each in parameters}, is_model=True)
    kinds = {str(each.dtype) for _, each in parameters}
    saved = [each for kind in kinds for each in _saved(folder, kind)]
    known = {(each.digest, each.layer) for each in saved}
    missing = [each for each in own if (each.digest, each.layer) not in known]
    # Buffers are in no file. The package fills each once at most.
    buffers = {
        name: each.detach for name, each in model.named_buffers() if not each.is_inference() and each._version > 1
    }
    missing += _digests(buffers, is_model=True) if buffers else []
    if missing and not any("pooler" in each.name for each in saved):
        # A network that was saved without this part, which the vectors do not go through, has random numbers there.
        missing = [each for each in missing if ".pooler." not in each.name]
    # What only the files hold is the head of another task, or a part that was taken out of a module without settings.
    if (
        not missing
        and not _has_settings(model)
        and not {each.digest for each in saved} <= {each.digest for each in own}
    ):
        missing = own
    if not missing:
        return ""
    lines = [f"{each.name}\0{each.digest}" for each in sorted(missing)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def times_overwritten(buffer: Any) -> int:
    """Return how often a buffer was changed after the package has filled it, which is once at most."""
    return 0 if buffer.is_inference() else max(0, int(buffer._version) - 1)


def _has_settings(model: Any) -> bool:
    """Tell whether the settings of the network say which parts it has."""
    return hasattr(getattr(next(iter(model._modules.values())), "auto_model", None), "config")


def _digests(tensors: Mapping[str, Callable[[], Any]], *, is_model: bool) -> list[_Tensor]:
    # Digests are computed without the lock of the interpreter, and few tensors are in memory at once.
    with ThreadPoolExecutor(min(_MOST_AT_ONCE, os.cpu_count() or 1)) as threads:
        digests = list(threads.map(lambda load: _digest(load()), tensors.values()))
    return [_Tensor(name, each, _layer(name, is_model=is_model)) for name, each in zip(tensors, digests, strict=True)]


def _layer(name: str, *, is_model: bool) -> tuple[str, ...]:
    # The first part of a name in a model is that of a module, which has a file of its own.
    parts = name.split(".")[1:] if is_model else name.split(".")
    return tuple(part for part in parts if _LAYER.fullmatch(part))


def _digest(tensor: Any) -> str:
    torch: Any = sys.modules["torch"]
    whole = hashlib.sha256(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
    flat = tensor.cpu().contiguous().reshape(-1)
    if flat.numel():
        whole.update(flat.view(torch.uint8).numpy().data)
    return whole.hexdigest()[:32]


# What the files hold. A digest of them is paid once for each machine, like that of the folder.


def _saved(folder: Path | None, kind: str) -> list[_Tensor]:
    """Return the tensors of all files in a folder as numbers of one type, which is how they would be loaded."""
    found: list[_Tensor] = []
    for file in _files(folder):
        tensors = remembered_of(file, f"tensors {kind}", partial(_read, file, kind))
        found.extend(_Tensor(name, digest, _layer(name, is_model=False)) for name, digest in tensors.items())
    return found


def _files(folder: Path | None) -> list[Path]:
    """Return the files that a model is loaded from, and no others that hold weights, such as those of checkpoints."""
    if folder is None:
        return []
    paths = [str(each.get("path", "")) for each in modules_of(folder)] or [""]
    found = []
    for path in dict.fromkeys(paths):
        # Modules of the package may have modules inside; the folder itself may hold anything.
        inside = "**/" if path else ""
        files = next(filter(None, (_matching(folder / path, inside, names) for names in _LOADED)), [])
        found.extend(files)
    return found


def _matching(folder: Path, inside: str, names: Sequence[str]) -> list[Path]:
    return sorted(file for name in names for file in folder.glob(inside + name))


def _read(file: Path, kind: str) -> dict[str, str]:
    torch: Any = sys.modules["torch"]
    dtype = getattr(torch, kind.removeprefix("torch."))
    try:
        loads = _loads(file)
        found = _digests({name: partial(_as, load, dtype) for name, load in loads.items()}, is_model=False)
    except Exception:
        # A file in another format, or one that is damaged: it proves nothing.
        return {}
    return {each.name: each.digest for each in found}


def _as(load: Callable[[], Any], dtype: Any) -> Any:
    tensor = load()
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _loads(file: Path) -> dict[str, Callable[[], Any]]:
    """Return the tensors of a file, each as a function that reads it."""
    if file.suffix == ".safetensors":
        safetensors: Any = import_module("safetensors")
        content = safetensors.safe_open(str(file), framework="pt", device="cpu").__enter__()
        return {name: partial(content.get_tensor, name) for name in content.keys()}  # noqa: SIM118 - no dictionary
    torch: Any = sys.modules["torch"]
    loaded: Mapping[str, Any] = torch.load(str(file), map_location="cpu", weights_only=True)
    return {name: each.detach for name, each in loaded.items()}
