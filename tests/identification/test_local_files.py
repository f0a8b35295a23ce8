"""Local models are known by what their files hold, which is read once for each machine and state of the files."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from embedonce.identification import UnclearSettingError, local_files
from embedonce.identification.settings import files as module

PAST = 10**18 + 1


def settled(folder):
    """Let the files of a folder be older than any clock is coarse."""
    return [os.utime(file, ns=(PAST, PAST)) for file in folder.rglob("*") if file.is_file()]


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 1024)
    (folder / "1_Pooling" / "config.json").write_text("mean")
    return folder


@pytest.fixture
def read(monkeypatch):
    """The files that are read in full, with no memory of what was read before in this process."""
    names, digest = [], module._digest
    monkeypatch.setattr(module, "_digest", lambda file: names.append(file.name) or digest(file))
    monkeypatch.setattr(module, "_is_settled", lambda *_: True)
    monkeypatch.setattr(module, "_read_before", {})
    return names


def test_a_copy_anywhere_has_the_same_digest(model, tmp_path):
    first = local_files(str(model))
    copy = shutil.copytree(model, tmp_path / "home" / "another name")
    settled(copy)
    linked = tmp_path / "linked"
    linked.mkdir()
    for each in model.iterdir():
        (linked / each.name).symlink_to(each)
    for left in ("README.md", ".gitattributes", "LICENSE", "training_args.bin"):
        (copy / left).write_text("x")
    (copy / ".git").mkdir()
    (copy / ".git" / "HEAD").write_text("x")
    assert first == local_files(str(copy)) == local_files(str(linked)) != {}
    assert local_files(str(tmp_path / "nowhere")) == local_files("") == {}


def test_every_byte_and_every_name_counts(model):
    """At any place of a large file, and in a folder that is a link."""
    found = [local_files(str(model))]
    weights = model / "model.safetensors"
    for position in (0, 70_001, 262_143):
        content = bytearray(weights.read_bytes())
        content[position] ^= 1
        weights.write_bytes(content)
        found.append(local_files(str(model)))
    weights.rename(model / "other.safetensors")
    found.append(local_files(str(model)))
    (model / "1_Pooling").rename(model.parent / "pooling")
    (model / "1_Pooling").symlink_to(model.parent / "pooling")
    assert local_files(str(model)) == found[-1]
    (model / "1_Pooling" / "config.json").write_text("cls!")
    found.append(local_files(str(model)))
    assert len({each["files"] for each in found}) == len(found)


def test_files_are_read_once_for_each_machine(model, read, monkeypatch):
    first = local_files(str(model))
    assert sorted(read) == ["config.json", "config.json", "model.safetensors"]
    assert local_files(str(model)) == first
    monkeypatch.setattr(module, "_read_before", {})
    assert local_files(str(model)) == first
    assert len(read) == 3
    (model / "config.json").write_text("[]")
    assert local_files(str(model)) != first
    assert read[3:] == ["config.json"]


def test_another_content_of_the_same_size_and_time_is_read_again(model, read):
    settled(model)
    first = local_files(str(model))
    weights = model / "model.safetensors"
    with weights.open("r+b") as stream:
        stream.seek(100_000)
        stream.write(b"x")
    settled(model)
    assert local_files(str(model)) != first


def test_files_that_have_just_been_written_are_not_remembered(model, read, monkeypatch):
    """The next change might leave the same times."""
    monkeypatch.undo()
    names, digest = [], module._digest
    monkeypatch.setattr(module, "_digest", lambda file: names.append(file) or digest(file))
    monkeypatch.setattr(module.time, "time_ns", lambda: (model / "config.json").stat().st_ctime_ns)
    for _ in range(2):
        local_files(str(model))
    assert len(names) == 6


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"config.json": 1}', b'{"config.json": [[1], "x"]}', b"\xff", None])
def test_memory_that_cannot_be_used_is_no_fault(model, read, monkeypatch, tmp_path, content):
    first = local_files(str(model))
    memory = tmp_path / "memory"
    monkeypatch.setattr(module, "_memory", lambda: memory)
    if content is None:
        memory.write_text("a file where the folder should be")
    else:
        memory.mkdir()
        key = hashlib.sha256(os.fsencode(os.path.realpath(model))).hexdigest()[:32]
        (memory / f"{key}.json").write_bytes(content)
    monkeypatch.setattr(module, "_read_before", {})
    read.clear()
    assert local_files(str(model)) == first
    assert local_files(str(model)) == first
    assert len(read) == 3


def test_a_later_process_finds_what_was_read(model, tmp_path):
    settled(model)
    code = (
        "import sys, embedonce.identification.settings.files as f; f._is_settled = lambda *_: True; "
        "digest = f._digest; f._digest = lambda file: print('read') or digest(file); print(f.local_files(sys.argv[1]))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "home")}
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(model)], env=environment, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for _ in range(2)
    ]
    assert said[0][:3] == ["read"] * 3
    assert said[1][0] == said[0][3]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_cannot_be_read_is_refused(model):
    os.mkfifo(model / "pipe")
    with pytest.raises(UnclearSettingError, match="cannot be read"):
        local_files(str(model))


def test_folders_that_are_inside_themselves_end(model):
    first = local_files(str(model))
    (model / "again").symlink_to(model)
    assert local_files(str(model)) == first
