"""Count what one call passes: the project's files, the calls into their functions, and the moves between files.

python tools/trace_calls.py               a table of all scenarios
python tools/trace_calls.py --write       the same, written into docs/architecture.md
python tools/trace_calls.py SCENARIO      the files and functions of one scenario, in the order of their first entry

Each scenario runs in a process of its own and is counted after it ran a few times, so that first imports and first
openings are left out. All threads of the process count. Where another thread may still be at work the smallest of
several runs counts. The checkout that is counted is the one that `embedonce` is imported from.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from functools import partial
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Run = Callable[[], object]
    Scenario = Callable[[Path], Iterator[Run]]

_RUNS = 7
"""How often a scenario is repeated; the first two runs are not counted."""
_WARM_UP = 2


class Count(NamedTuple):
    """What one run passed.

    Attributes:
        entered: For each file, relative to the checkout, how often each of its functions was entered, in the order in
            which they were first entered. A coroutine or generator that goes on is entered again.
        moves: How often control went from one file of the project to another one, by a call or by a return.
    """

    entered: dict[str, dict[str, int]]
    moves: int

    @property
    def calls(self) -> int:
        """How often a function was entered."""
        return sum(sum(functions.values()) for functions in self.entered.values())


def checkout() -> Path:
    """Return the checkout that `embedonce` is imported from."""
    spec = util.find_spec("embedonce")
    if spec is None or spec.origin is None:
        sys.exit("embedonce cannot be imported")
    return Path(spec.origin).resolve().parents[2]


class Tracer:
    """Counts while it is switched on, in every thread that was started after `install`."""

    def __init__(self, root: Path) -> None:
        self._roots = tuple(str(root / part) + os.sep for part in ("core", "adapters"))
        self._prefix = len(str(root)) + 1
        self._is_on = False
        self._begin()

    def install(self) -> None:
        """Watch this thread and all later ones."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def count(self, run: Run) -> Count:
        """Run something and return what it passed."""
        self._begin()
        self._is_on = True
        try:
            run()
        finally:
            self._is_on = False
        entered: dict[str, dict[str, int]] = {}
        for (file, function), times in self._entered.items():
            entered.setdefault(file[self._prefix :], {})[function] = times
        return Count(entered, self._moves)

    def _begin(self) -> None:
        self._entered: dict[tuple[str, str], int] = defaultdict(int)
        self._moves = 0
        # The file that control is in, by thread.
        self._current: dict[int, str] = defaultdict(str)

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        if not self._is_on or event not in ("call", "return"):
            return
        file = frame.f_code.co_filename
        if not file.startswith(self._roots):
            return
        if event == "call":
            # Python 3.10 does not know to which class a function belongs.
            self._entered[file, getattr(frame.f_code, "co_qualname", frame.f_code.co_name)] += 1
        else:
            above = frame.f_back
            while above is not None and not above.f_code.co_filename.startswith(self._roots):
                above = above.f_back
            if above is None:
                return
            file = above.f_code.co_filename
        thread = threading.get_ident()
        if self._current[thread] not in ("", file):
            self._moves += 1
        self._current[thread] = file


# -- scenarios: each yields one run after the other, set up and not yet started --------------------------------------


def _langchain_miss(folder: Path) -> Iterator[Run]:
    cached = _langchain_embedder(folder)
    for number in range(_RUNS):
        yield partial(cached.embed_documents, [f"text {number}"])


def _langchain_hit(folder: Path) -> Iterator[Run]:
    yield from _langchain_hits(folder, ["one text"])


def _langchain_two_hits(folder: Path) -> Iterator[Run]:
    yield from _langchain_hits(folder, ["one text", "another text"])


def _langchain_hits(folder: Path, texts: list[str]) -> Iterator[Run]:
    cached = _langchain_embedder(folder)
    cached.embed_documents(texts)
    for _ in range(_RUNS):
        yield partial(cached.embed_documents, texts)


def _s3_hit(_: Path) -> Iterator[Run]:
    import embedonce

    servers = _servers()
    with servers.ServerProcess() as server:
        url, options = server.url(server.make_bucket()), {"storage_options": server.storage_options}
        with embedonce.EmbeddingCache(url, **options) as cache:
            _langchain_embedder(cache).embed_documents(["one text"])
        for _number in range(_RUNS):
            # A new cache knows nothing of the bucket yet, so that it has to read from it.
            cached = _langchain_embedder(embedonce.EmbeddingCache(url, **options))
            yield partial(cached.embed_documents, ["one text"])


def _haystack_hits(folder: Path) -> Iterator[Run]:
    cached, documents = _haystack_embedder(folder)
    cached.run(documents=documents(0))
    for _ in range(_RUNS):
        yield partial(cached.run, documents=documents(0))


def _haystack_misses(folder: Path) -> Iterator[Run]:
    cached, documents = _haystack_embedder(folder)
    for number in range(_RUNS):
        yield partial(cached.run, documents=documents(number))


SCENARIOS: dict[str, Scenario] = {
    "LangChain, one miss": _langchain_miss,
    "LangChain, one hit": _langchain_hit,
    "LangChain, two hits in one call": _langchain_two_hits,
    "LangChain, one hit on S3, cache opened new": _s3_hit,
    "Haystack, run of two hits": _haystack_hits,
    "Haystack, run of two misses": _haystack_misses,
}


def _langchain_embedder(store: object) -> Any:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    import embedonce

    return embedonce.wrap(DeterministicFakeEmbedding(size=8), store)


def _haystack_embedder(store: Path) -> tuple[Any, Callable[[int], list[Any]]]:
    from haystack import Document
    from haystack.components.embedders import OpenAIDocumentEmbedder
    from haystack.utils import Secret

    import embedonce

    def without_request(_: object, *, texts_to_embed: dict[str, str], **__: object) -> tuple[dict[str, Any], Any]:
        return {key: [float(len(text)), 1.0] for key, text in texts_to_embed.items()}, {}

    setattr(OpenAIDocumentEmbedder, "_embed_batch", without_request)  # noqa: B010 - mypy forbids the assignment
    component = OpenAIDocumentEmbedder(api_key=Secret.from_token("none"), progress_bar=False)

    def documents(number: int) -> list[Any]:
        return [Document(content=f"{kind} {number}") for kind in ("first", "second")]

    return embedonce.wrap(component, store), documents


def _servers() -> Any:
    """Return the module of the tests with a server of S3 on 127.0.0.1."""
    path = checkout() / "tests" / "remote" / "servers.py"
    spec = util.spec_from_file_location("servers", path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} is missing")
    module = sys.modules["servers"] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- running them ----------------------------------------------------------------------------------------------------


def counted_here(name: str) -> Count:
    """Run a scenario in this process and return what one run passed."""
    tracer = Tracer(checkout())
    tracer.install()
    with tempfile.TemporaryDirectory() as folder:
        counts = [tracer.count(run) for run in SCENARIOS[name](Path(folder))]
    return min(counts[_WARM_UP:], key=lambda count: (count.calls, count.moves))


def counted(name: str) -> Count:
    """Run a scenario in a new process and return what one run passed."""
    hidden = ("AWS", "EMBEDONCE", "OPENAI")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    command = [sys.executable, __file__, "--here", name]
    answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return Count(*json.loads(answer.stdout.splitlines()[-1]))


def table() -> str:
    """Return the counts of all scenarios as a table of Markdown."""
    rows = ["| scenario | files | calls | moves between files |", "| --- | ---: | ---: | ---: |"]
    for name in SCENARIOS:
        count = counted(name)
        rows.append(f"| {name} | {len(count.entered)} | {count.calls} | {count.moves} |")
    return "\n".join(rows)


def main(arguments: list[str]) -> None:
    """Print what is asked for."""
    if arguments[:1] == ["--here"]:
        print(json.dumps(counted_here(arguments[1])))
    elif arguments == ["--write"]:
        page = checkout() / "docs" / "architecture.md"
        written = f"<!-- counted -->\n\n{table()}\n\n<!-- /counted -->"
        text = page.read_text(encoding="utf-8")
        page.write_text(
            re.sub("<!-- counted -->.*?<!-- /counted -->", written, text, flags=re.DOTALL), encoding="utf-8"
        )
    elif arguments:
        for file, functions in counted(arguments[0]).entered.items():
            listed = (name if times == 1 else f"{name} ({times} times)" for name, times in functions.items())
            print(f"{file}: {', '.join(listed)}")
    else:
        print(table())


if __name__ == "__main__":
    main(sys.argv[1:])
