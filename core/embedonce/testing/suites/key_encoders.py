"""The suite of key encoders: what embedonce relies on when texts become keys."""

from __future__ import annotations

import base64
import inspect
import json
import os
import subprocess
import sys
from binascii import Error as Base64Error
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

from embedonce.cache.cache import EmbeddingCache
from embedonce.errors import KeyEncoderError
from embedonce.keys.encoders import KeyEncoder, sha256
from embedonce.keys.specification import ROLES, canonical, checked_key, utf8
from embedonce.plugins.names import resolve_key_encoder
from embedonce.stores.memory import MemoryStore
from embedonce.testing.embedders import AsymmetricEmbedder, CountingEmbedder
from embedonce.testing.suites.declared import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NASTY_TEXTS = {
    "empty": "",
    "NUL": "\0",
    "every control character": "".join(map(chr, range(32))),
    "new lines": "\r\n\n\r",
    "lone surrogate": "\ud800",
    "surrogates in the wrong order": "\udc00\ud800",
    "beyond the basic plane": "🦜",
    "no character": "\uffff\U0010ffff",
    "right to left": "\u202eabc",
    "combining marks": "e" + "\u0301" * 50,
    "a path": "../../etc/passwd",
    "percent": "%00%s{}",
    "100,000 characters": "x" * 100_000,
    "100,000 characters of four bytes": "🦜" * 100_000,
}

_LONG = "word " * 20_000
_ALIKE = [
    *("", " ", "  ", "\n", "\0", "\0\0", "0", "00", "1", "01", "1.0", "10", "-1"),
    *("a", "A", "b", "aa", "ab", "ba", "a ", " a", "a\0", "\0a", "a\n", "a\r\n", "a\t", "a b", "a  b", "A B", "a-b"),
    *("é", "e\u0301", "É", "ß", "ss", "SS", "ﬁ", "fi", "İ", "i\u0307", "\u0131", "I", "i", "Å", "\u212b", "A\u030a"),
    *("\ud800", "\udc00", "\ud800\udc00", "\U00010000", "\ufffd", "?", "\ufeff", "\ufeffa"),
    *("document", "query", "document:", "query:", ":query", "document:a", "query:a", "embedonce:1:query:a", "1:a"),
    *(_LONG, _LONG + " ", " " + _LONG, _LONG + "a", _LONG + "b", "a" + _LONG, "b" + _LONG, _LONG.replace(" ", "  ")),
    *(_LONG[:50_000] + "a" + _LONG[50_000:], _LONG[:50_000] + "b" + _LONG[50_000:]),
]
# More than 32 bits can distinguish.
_MANY = 200_000
_THREADS = 8
_SECRET = "The launch code is 0451-TANGO-ß; tell nobody."  # noqa: S105
_NAMESPACE = "suite of key encoders"

_ELSEWHERE = """
import json, sys
from importlib import import_module
module, name, texts = json.load(sys.stdin)
if module is None:
    from embedonce.plugins.names import resolve_key_encoder
    function = resolve_key_encoder(name)
else:
    try:
        function = import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        sys.exit(f"not importable: {error}")
json.dump([function(bytes.fromhex(text).decode("utf-8", "surrogatepass")) for text in texts], sys.stdout)
"""


class KeyEncoderSuite(Suite):
    """Tests of a key encoder, and of an `EmbeddingCache` with it.

    A subclass is named `Test…` and sets `encoder`. If the encoder treats some texts as equal, it declares them: in
    `equal`, and by `normal_form` if there is a rule.

    Attributes:
        encoder: A function `str -> str`, a `KeyEncoder`, or the name of a registered one.
        version: The version that it must have, or gets if it is a function; None for any.
        equal: Pairs of texts that it treats as equal.
        reveals_text: True if its keys may show the text; otherwise a key must not reveal what was embedded.
    """

    encoder: ClassVar[str | KeyEncoder | Callable[[str], str]]
    version: ClassVar[str | None] = None
    equal: ClassVar[Sequence[tuple[str, str]]] = ()
    reveals_text: ClassVar[bool] = False

    def normal_form(self, text: str) -> str:
        """Return the same for all texts that the encoder treats as equal; the text itself unless overridden."""
        return text

    def resolved(self) -> KeyEncoder:
        """Return the key encoder as the cache uses it."""
        given = self._given()
        encoder = resolve_key_encoder(given)
        if self.version is None or isinstance(given, str | KeyEncoder):
            return encoder
        return replace(encoder, version=self.version)

    def test_it_can_be_registered(self) -> None:
        """It has a name and the declared version, and answers a plain string with a key.

        Look at: the version: it has to change with every change of the keys.
        """
        encoder = self.resolved()
        assert encoder.name
        assert isinstance(encoder.version, str)
        assert self.version in (None, encoder.version)

    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize("text", NASTY_TEXTS.values(), ids=NASTY_TEXTS)
    def test_every_text_has_a_legal_key(self, text: str, role: str) -> None:
        """For every text, the key is a str of 1 to 1,024 UTF-8 bytes without lone surrogates.

        Look at: `text.encode()`, which fails for lone surrogates (`text.encode("utf-8", "surrogatepass")` does not);
        keys that grow with the text. A text without a key is embedded again in every call.
        """
        key = self._function()(canonical(role, text))
        assert type(key) is str
        assert checked_key(key, self.resolved().name) == key

    def test_different_texts_have_different_keys(self) -> None:
        """Two texts with one key get one vector, so only texts that are declared equal may have one.

        Look at: lower case, trimming, normalisation, cutting, and decoding with `errors="ignore"` or "replace". If that
        is intended, declare it with `equal` or `normal_form`.
        """
        encoder, texts_of = self.resolved(), defaultdict(list)
        for role in ROLES:
            for text in dict.fromkeys([*_ALIKE, *(text for pair in self.equal for text in pair)]):
                texts_of[encoder(canonical(role, text))].append((role, text))
        pairs = [(one[1], other[1]) for same in texts_of.values() for one, other in combinations(same, 2)]
        wrong = [_shown(pair) for pair in pairs if pair[0] != pair[1] and not self._is_equal(*pair)]
        assert not wrong, f"these have one key: {', '.join(wrong)}"

    def test_documents_and_queries_have_different_keys(self) -> None:
        """The encoder is given `embedonce:1:<role>:<text>`, and the role decides the key as well as the text.

        Look at: encoders that take the text out of the string they are given, or that ignore its beginning.
        """
        encoder = self.resolved()
        documents, queries = ({encoder(canonical(role, text)) for text in _ALIKE} for role in ROLES)
        assert documents & queries == set()

    def test_texts_declared_equal_have_one_key(self) -> None:
        """Texts that are declared equal have the same key.

        Look at: rules for the beginning of a text: what the encoder is given begins with the role.
        """
        encoder = self.resolved()
        if not self.equal:
            pytest.skip("no pairs of texts are declared equal")
        for role in ROLES:
            pairs = [tuple(encoder(canonical(role, text)) for text in pair) for pair in self.equal]
            wrong = [_shown(self.equal[i]) for i, (one, other) in enumerate(pairs) if one != other]
        assert not wrong, f"these have two keys: {', '.join(wrong)}"

    def test_many_texts_do_not_collide(self) -> None:
        """Keys have enough bits that two texts never share one by chance: at least 128.

        Look at: checksums such as CRC-32, and digests that were cut.
        """
        encoder = self.resolved()
        # A checksum differs for texts that differ in a few neighbouring letters, but not for these.
        assert len({encoder(canonical("document", sha256(str(i)))) for i in range(_MANY)}) == _MANY

    def test_a_key_depends_on_its_text_only(self) -> None:
        """A text always has the same key; earlier calls do not change it.

        Look at: counters, tables that are filled as texts come, and digests that are updated instead of begun.
        """
        function, strings = self._function(), [canonical(role, text) for role in ROLES for text in _ALIKE]
        keys = [function(string) for string in strings]
        assert [function(string) for string in reversed(strings)] == keys[::-1]
        assert [function(string) for string in strings for _ in range(2)] == [key for key in keys for _ in range(2)]

    def test_threads_get_the_same_keys(self) -> None:
        """Any number of threads may encode at once.

        Look at: a digest or a buffer that all calls share.
        """
        function, strings = self._function(), [canonical("document", text) for text in _ALIKE]
        keys = [function(string) for string in strings]
        with ThreadPoolExecutor(_THREADS) as pool:
            answers = pool.map(lambda _: [function(string) for string in strings], range(_THREADS * 4))
            assert all(answer == keys for answer in answers)

    def test_another_process_gets_the_same_keys(self) -> None:
        """A key is the same in every process and on every machine; otherwise no vector would be found again.

        Look at: `hash`, which is salted differently in every process, the order of sets, `id`, and the locale.
        """
        texts = [canonical(role, text) for role in ROLES for text in _ALIKE]
        # As bytes, because JSON would join surrogates.
        request = json.dumps([*self._where(), [utf8(text).hex() for text in texts]])
        environment = {
            **os.environ,
            "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _ELSEWHERE],
            input=request,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        if "not importable" in run.stderr:
            pytest.skip(f"another process cannot import the encoder: {run.stderr.strip()}")
        assert not run.returncode, run.stderr
        assert json.loads(run.stdout) == [self._function()(text) for text in texts]

    def test_a_key_does_not_reveal_its_text(self) -> None:
        """Keys are names of objects and rows, and appear in logs, where no text must be readable.

        Look at: encoders that keep the text, or only encode it; `reveals_text = True` if that is intended.
        """
        if self.reveals_text:
            pytest.skip("its keys may be read as texts: reveals_text = True")
        key = self.resolved()(canonical("document", _SECRET))
        hidden = [part.lower() for part in (utf8(_SECRET), b"launch code", b"0451-tango")]
        assert [form for form in _readings(key) if any(part in form.lower() for part in hidden)] == []

    @pytest.mark.parametrize("place", ["path", "byte store"])
    def test_a_cache_embeds_every_text_once(self, place: str, tmp_path: Path) -> None:
        """Every text is embedded once under each role, and gets its own vector back.

        Look at: keys that are too long with the 34 characters that a byte store's keys begin with; the tests above.
        """
        store: Any = tmp_path if place == "path" else MemoryStore()
        encoder, texts = self.resolved(), [*_ALIKE, *NASTY_TEXTS.values()]
        texts = list({encoder(canonical("document", text)): text for text in texts}.values())
        for role in ROLES:
            embedder, again = _embedder(role), _embedder(role)
            options: dict[str, Any] = {"namespace": _NAMESPACE, "role": role}
            cold = self._cache(store).embed(texts, embedder, **options)
            warm = self._cache(store).embed(texts[::-1], again, **options)
            assert ([text for call in embedder.calls for text in call], again.calls) == (texts, [])
            assert np.array_equal(warm, cold[::-1])
            assert np.array_equal(cold, embedder(texts))

    @pytest.mark.parametrize("place", ["path", "byte store"])
    def test_a_cache_takes_equal_texts_for_one(self, place: str, tmp_path: Path) -> None:
        """Of texts that are declared equal, one is embedded, and all get its vector.

        Look at: the test of texts declared equal above.
        """
        if not self.equal:
            pytest.skip("no pairs of texts are declared equal")
        store: Any = tmp_path if place == "path" else MemoryStore()
        for i, (one, other) in enumerate(self.equal):
            embedder = _embedder("document")
            vectors = self._cache(store).embed([one, other], embedder, namespace=str(i))
            again = self._cache(store).embed([other], embedder, namespace=str(i))
            assert embedder.calls == [[one]]
            assert np.array_equal(vectors[0], vectors[1])
            assert np.array_equal(vectors[0], again[0])

    @pytest.mark.parametrize("change", ["function", "version"])
    def test_a_changed_encoder_is_refused(self, change: str, tmp_path: Path) -> None:
        """A path records the encoder that it was written with, and refuses another function or version.

        Look at: encoders that give plain strings the same keys as others; they need a version of their own.
        """
        encoder = self.resolved()
        changed = (
            replace(encoder, version=f"changed-{encoder.version}")
            if change == "version"
            else KeyEncoder(encoder.name, encoder.version, _changed(encoder))
        )
        self._cache(tmp_path).embed(["text"], _embedder("document"), namespace=_NAMESPACE)
        cache = EmbeddingCache(tmp_path, key_encoder=changed)
        embedder = _embedder("document")
        with pytest.raises(KeyEncoderError):
            cache.embed(["text"], embedder, namespace=_NAMESPACE)
        assert not embedder.calls

    def _given(self) -> Any:
        """Return the encoder as the subclass has set it: a function does not become a method."""
        given = inspect.getattr_static(type(self), "encoder", None)
        if given is None:
            pytest.fail(f"{type(self).__name__} has to set `encoder`: a function, a KeyEncoder or a name")
        return given.__func__ if isinstance(given, staticmethod) else given

    def _function(self) -> Callable[[str], Any]:
        return self.resolved().function

    def _where(self) -> tuple[str | None, str]:
        """Module and name by which another process finds the encoder; no module for a registered one."""
        given = self._given()
        if isinstance(given, str):
            return None, given
        function = given.function if isinstance(given, KeyEncoder) else given
        module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
        if module in (None, "__main__") or "<" in name or not name:
            pytest.skip(f"another process cannot import {function!r}: define it with a name in a module")
        return module, name

    def _is_equal(self, one: str, other: str) -> bool:
        return (
            (one, other) in self.equal or (other, one) in self.equal or self.normal_form(one) == self.normal_form(other)
        )

    def _cache(self, store: Any) -> EmbeddingCache:
        return EmbeddingCache(store, key_encoder=self.resolved(), on_store_error="raise")


def _embedder(role: Any) -> CountingEmbedder:
    return CountingEmbedder(lambda texts: AsymmetricEmbedder().vectors(texts, role))


def _changed(encoder: KeyEncoder) -> Callable[[str], str]:
    return lambda text: sha256(f"changed {encoder(text)}")


def _shown(texts: Sequence[str]) -> str:
    return " and ".join(repr(text if len(text) < 80 else f"{text[:40]}…{text[-40:]}") for text in texts)


def _readings(key: str) -> list[bytes]:
    """Return a key as it is, and decoded from the alphabets in which bytes are written as text."""
    readings = [utf8(key), unquote_to_bytes(key)]
    padded = key + "=" * (-len(key) % 8)
    for decode in (bytes.fromhex, base64.b64decode, base64.urlsafe_b64decode, base64.b32decode, base64.b85decode):
        for written in (key, padded):
            try:
                readings.append(decode(written))
            except (ValueError, Base64Error):
                continue
    return readings
