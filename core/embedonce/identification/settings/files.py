"""The files of local models: what they hold, wherever they are.

A digest of gigabytes takes seconds, so what was read is remembered: in the process, and on the machine in a file for
each model in the cache directory of the user. A digest counts as long as its file keeps its size, times and inode.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    _Digests = Mapping[str, list[Any]]

LOCAL = "local"
"""Stands for the name of a model that is known by its files, wherever they are."""
_MOST_FILES = 2000
_PORTION = 1 << 20
# What describes a model, and what was left by its training, by other programs and by the interpreter.
_NOT_THE_MODEL = re.compile(
    r"\..*|__pycache__|.*\.(?:md|pyc)|(?:licen[cs]e|notice)(?:\.txt)?|thumbs\.db|desktop\.ini"
    r"|training_args\.bin|trainer_state\.json|optimizer\.(?:pt|bin)|scheduler\.pt|rng_state(?:_\d+)?\.pth",
    re.IGNORECASE,
)
_SHA256 = re.compile("[0-9a-f]{64}")
_read_before: dict[str, _Digests] = {}
_kept: dict[str, dict[str, Any]] = {}


def local_files(path: str) -> dict[str, str]:
    """Return a parameter that says what the files at a local path hold; nothing if there are none.

    It depends neither on the path nor on times, so that a copy has the same one.

    Raises:
        UnclearSettingError: The files cannot be read, or are too many for a model.
    """
    top = Path(path)
    if not path or not top.exists():
        return {}
    try:
        found = dict(_model_files(top)) if top.is_dir() else {"": top}
        digests = _digests_of(top, found)
    except OSError:
        msg = "the files of its local model cannot be read"
        raise UnclearSettingError(msg) from None
    if not digests:
        return {}
    whole = hashlib.sha256()
    for name in sorted(digests):
        whole.update(f"{name}\0{digests[name]}\0".encode("utf-8", "surrogatepass"))
    return {"files": whole.hexdigest()[:32]}


def _model_files(top: Path) -> Iterator[tuple[str, Path]]:
    """Return the files of a folder with their names in it; folders may be links, but no folder is inside itself."""
    folders: list[tuple[Path, tuple[str, ...]]] = [(top, ())]
    count = 0
    for folder, above in folders:
        real = os.path.realpath(folder)
        if real in above:
            continue
        for each in sorted(folder.iterdir()):
            if _NOT_THE_MODEL.fullmatch(each.name):
                continue
            if each.is_dir():
                folders.append((each, (*above, real)))
                continue
            if not each.is_file():
                # A link to nowhere, or a pipe that would be waited for.
                raise FileNotFoundError(each.name)
            count += 1
            if count > _MOST_FILES:
                msg = f"its local model is a folder of more than {_MOST_FILES} files"
                raise UnclearSettingError(msg)
            yield each.relative_to(top).as_posix(), each


def _digests_of(top: Path, found: Mapping[str, Path]) -> dict[str, str]:
    """Return the digest of each file, from memory where it was read before."""
    key = _key(top)
    states = {name: _state(file) for name, file in found.items()}
    known = _read_before.get(key) or {}
    if not _all_known(states, known):
        known = {name: each for name, each in _remembered(key).items() if _is_valid(each)}
    digests: dict[str, list[Any]] = {}
    lasting = {}
    for name, file in found.items():
        state, digest = known.get(name, (None, ""))
        if state != states[name]:
            began = time.time_ns()
            digest = _digest(file)
            is_lasting = _state(file) == states[name] and _is_settled(states[name], began)
        else:
            is_lasting = True
        digests[name] = [states[name], digest]
        if is_lasting:
            lasting[name] = digests[name]
    if lasting != known:
        _remember(key, lasting)
    _read_before[key] = lasting
    return {name: digest for name, (_, digest) in digests.items()}


def _all_known(states: Mapping[str, list[int]], known: _Digests) -> bool:
    return all(name in known and known[name][0] == state for name, state in states.items())


def _state(file: Path) -> list[int]:
    status = file.stat()
    # The time of the last change of any kind tells a file that was written anew and given its former time.
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _is_settled(state: list[int], began: int) -> bool:
    """Tell whether a later change will certainly show in the times of a file that was read from this moment on."""
    changed = max(state[1], state[2])
    # Some file systems count in seconds, the others in the ticks of a clock.
    return began - changed > (100_000_000 if state[2] % 1_000_000_000 else 2_500_000_000)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while portion := stream.read(_PORTION):
            digest.update(portion)
    return digest.hexdigest()


def remembered_of(file: Path, what: str, read: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Return something that is read from a file, once for each machine and state of the file.

    Args:
        file: The file.
        what: What is read, in any words.
        read: Reads it; what it does where there is no such file any more is its own.
    """
    key = _key(file, what)
    try:
        state = _state(file)
    except OSError:
        return read()
    stated = ",".join(map(str, state))
    known = _kept.get(key) or _remembered(key)
    if known.get("state") == stated:
        _kept[key] = known
        return {name: str(each) for name, each in known.items() if name != "state"}
    began = time.time_ns()
    found = read()
    if _is_settled(state, began) and _is_still(file, state):
        _kept[key] = {**found, "state": stated}
        _remember(key, _kept[key])
    return found


def _is_still(file: Path, state: list[int]) -> bool:
    try:
        return _state(file) == state
    except OSError:
        return False


# What is remembered on the machine. That it cannot be read or written costs time and nothing else.


def _key(path: Path, what: str = "") -> str:
    return hashlib.sha256(os.fsencode(os.path.realpath(path)) + what.encode()).hexdigest()[:32]


def _memory() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("embedonce-digests")


def _remembered(key: str) -> dict[str, Any]:
    try:
        return dict(json.loads((_memory() / f"{key}.json").read_bytes()))
    except (OSError, ValueError, TypeError, RuntimeError):
        return {}


def _is_valid(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and _SHA256.fullmatch(str(entry[1])) is not None


def _remember(key: str, content: Mapping[str, Any]) -> None:
    with suppress(OSError, RuntimeError):
        file = _memory() / f"{key}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent, prefix=".", suffix=".tmp", delete=False, encoding="ascii") as new:
            json.dump(content, new)
        try:
            Path(new.name).replace(file)
        except OSError:
            Path(new.name).unlink(missing_ok=True)
            raise
