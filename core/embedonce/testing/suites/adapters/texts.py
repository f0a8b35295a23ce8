"""Texts are not changed, and each caller gets its own lists."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from embedonce.testing.suites.adapters.comparing import exactly, variant
from embedonce.testing.suites.adapters.harness import Harness
from embedonce.testing.suites.adapters.model import ModelBehind

if TYPE_CHECKING:
    from pathlib import Path

    from embedonce.testing.suites.adapters.harness import Api

NASTY = ["", "\0", "a", "b", "A", " a", "a ", "a\nb", "é", "e\u0301", "\ud800", "\udfff\ud800", "😀", "x" * 40_000]
"""Texts that are easily confused, or that some code cannot handle."""

ALIKE = [
    *(unicodedata.normalize(form, "\ufb01anc\u00e9 \u212b") for form in ("NFC", "NFD", "NFKC", "NFKD")),
    *("a cat", "a cat ", "a  cat", "a cat\u200b", "a\u00a0cat", "A cat"),
    *("../a", "a//b", "y" * 1_000_000),
]


class Texts(Harness):
    """Texts reach the embedder character by character, and numbers come back bit by bit."""

    def test_texts_are_taken_as_they_are(self, api: Api, place: Path) -> None:
        """Texts that look alike are different texts: NUL, lone surrogates, white space, normal forms, a megabyte.

        If not, look for code that strips, normalises, encodes or cuts a text. If the framework itself cannot take such
        a text, override the test with what it can.
        """
        texts = [*ALIKE, *NASTY]
        model = ModelBehind()
        for _ in range(2):
            wrapped = api.wrap(model, place)
            api.check(wrapped, model, documents=texts)
            assert exactly([api.query(wrapped, text) for text in texts]) == exactly(list(map(model.query, texts)))
        assert [text for role, text in model.paid if role == "document"] == texts, (
            "and reach the embedder character by character"
        )
        assert len(model.paid) == 2 * len(texts)

    def test_what_is_not_a_text_is_refused(self, api: Api, place: Path) -> None:
        """It is not converted to text.

        If not, look for `str(text)`. If the framework refuses it in words of its own, set `no_text` and `no_texts`.
        """
        model = ModelBehind()
        wrapped = api.wrap(model, place)
        for nothing in (1, None, b"a", ["a"]):
            questions = {"documents": ["a", nothing], "document": nothing, "query": nothing}
            api.check_refused(wrapped, TypeError, self.no_text, **questions)
        api.check_refused(wrapped, TypeError, self.no_texts, documents="abc")
        assert model.calls == []

    def test_a_hit_is_like_a_miss_bit_by_bit_and_in_type(self, api: Api, place: Path) -> None:
        """A vector from the cache cannot be distinguished from one of the embedder.

        If not, look for a conversion that only one of the two goes through, or one to float32. Where vectors are
        lists, they hold Python's numbers: integers where the embedder answers with integers, else floats.
        """
        for dtype in ("float32", "float64", "int8", "uint8", "int64"):
            with variant(dtype):
                model, texts = ModelBehind(dtype, dimensions=8, dtype=dtype), [f"text {i}" for i in range(12)]
                kinds: set[Any] = set()
                for wrapped in (api.wrap(model, place), api.wrap(model, place)):
                    vectors = api.documents(wrapped, texts)
                    assert exactly(vectors) == exactly(model.documents(texts))
                    assert type(vectors) is list
                    answers = [*vectors, api.document(wrapped, "text 3"), api.query(wrapped, "text 3")]
                    assert {type(vector) for vector in answers} == {self.vector_type}
                    kinds |= {getattr(vector, "dtype", float) for vector in answers}
                    if self.vector_type is list:
                        assert {type(number) for vector in answers for number in vector} == {
                            type(model.document("")[0])
                        }
                    assert exactly(answers[-2:]) == exactly([model.document("text 3"), model.query("text 3")])
                assert len(kinds) == 1
                assert len(model.paid) == len(texts) + 1

    def test_every_list_is_the_callers_own(self, api: Api, place: Path) -> None:
        """A caller that changes a vector changes neither the cache nor the vectors of others, duplicates included.

        If not, look for lists or views of an array that are returned twice.
        """
        model = ModelBehind()
        wrapped = api.wrap(model, place)
        for _ in range(3):
            vectors = api.documents(wrapped, ["a", "b", "a"])
            assert exactly(vectors) == exactly(model.documents(["a", "b", "a"]))
            vectors[0][:] = vectors[1][:] = [99.0]
            assert exactly(vectors[2]) == exactly(model.document("a")), "duplicates share nothing"
            vectors.clear()
            for ask, expected in ((api.query, model.query), (api.document, model.document)):
                vector = ask(wrapped, "a")
                assert exactly(vector) == exactly(expected("a"))
                vector[:] = [99.0]

    def test_what_the_embedder_keeps_is_not_handed_out(self, api: Api, place: Path) -> None:
        """An embedder may return the same list in every call, and a caller may change what it gets.

        If not, look for an answer of the embedder that is returned to the caller without a copy.
        """
        kept = [1.5, 2.5]
        model = ModelBehind(dimensions=2, spoil=lambda vectors: [kept for _ in vectors])
        wrapped = api.wrap(model, place)
        for vector in (*api.documents(wrapped, ["a", "b"]), api.document(wrapped, "c"), api.query(wrapped, "a")):
            vector[0] = 99.0
        assert kept == [1.5, 2.5]
        assert exactly(api.documents(wrapped, ["a", "b", "c"])) == exactly([[1.5, 2.5]] * 3)
