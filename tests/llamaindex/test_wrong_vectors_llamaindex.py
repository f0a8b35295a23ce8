"""Each way in which LlamaIndex returned a wrong vector, lost data or never hit, shown not to happen here.

| row | what happens in LlamaIndex |
| --- | --- |
| 1 | two models with one `embeddings_cache` share entries |
| 6 | a query is served a document's vector, or the reverse |
| 8 | settings that change vectors are in no dictionary |
| 9 | a wrapper hides which model is inside from the cache of a pipeline |
| 10 | classes and models of one name count as one |
| 18 | two lists of nodes are joined to one key |
| 21 | a text is used as a path |
| 23 | operational settings and secrets change the key |
| 26 | too few vectors are stored before they are counted |
| 30 | mixed hits and misses lose their order |
| 36 | a node gets back another node that has its text |
| 37 | empty, non-finite or missing vectors are stored |
| 38 | changing a returned list changes the cache |
| 44 | texts and secrets lie in the files |
| 46 | an empty cache counts as none |
| 48, 49, 51 | entries of several texts, duplicates paid twice, misses sent one by one |
| 52 | hits are billed and throttled |
| 53 | the place of a file is part of the text |
| 55 | the event loop is blocked |
| 58, 60 | a failed write leaves nothing, and the last writer wins |
| 61, 62 | worker processes lose writes, and pickling damages the original |
| 67 | a URL is taken for a path |
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random

import pytest
from wrong_vectors_support import TEXTS, Sized, documents, key, li, theirs

import embedonce
from embedonce import EmbedderContractError, IdentityError

# -- A. Identity ---------------------------------------------------------------------------------------------------


def test_row_01_two_models_in_one_store(place, their_kv, batch):
    models = [li.Model(), li.Model(model_name="other"), li.Model(dimensions=4)]
    for model in models * 2:
        assert batch(embedonce.wrap(model, place), TEXTS) == model.vectors(TEXTS)
    assert [len(model.asked) for model in models] == [100] * 3
    answers = [batch(li.Model(model_name=name, embeddings_cache=their_kv), TEXTS) for name in ("m", "other")]
    theirs(answers[0] == answers[1])


def test_row_01_a_model_that_cannot_be_identified(place):
    with pytest.raises(IdentityError, match="namespace="):
        embedonce.wrap(li.Plain(extra=lambda text: text), place)


@pytest.mark.parametrize("first", ["query", "document"])
def test_row_06_query_and_document(place, their_kv, first):
    def both(model):
        asked = [lambda: model.get_text_embedding("Paris"), lambda: model.get_query_embedding("Paris")]
        answers = [ask() for ask in (asked if first == "document" else asked[::-1])]
        return answers if first == "document" else answers[::-1]

    model = li.Model()
    right = [model.vector("Paris"), model.vector("Paris", "query")]
    assert [both(embedonce.wrap(model, place)) for _ in range(2)] == [right] * 2
    assert len(model.calls) == 2
    mixed = both(li.Model(embeddings_cache=their_kv))
    theirs(mixed[0] == mixed[1])


def test_row_08_hidden_state(place):
    pairs = [
        [li.LangchainEmbedding(li.DeterministicFakeEmbedding(size=size), model_name="x") for size in (4, 8)],
        [li.OpenAIEmbedding(mode=mode, model="davinci", api_key=li.SECRET) for mode in ("text_search", "similarity")],
    ]
    for one, other in pairs:
        theirs(key(one) == key(other))
        wrappers = [embedonce.wrap(model, place) for model in (one, other)]
        assert wrappers[0].namespace != wrappers[1].namespace
        assert key(wrappers[0]) != key(wrappers[1])
    sizes = [len(embedonce.wrap(model, place).get_text_embedding("a")) for model in pairs[0] * 2]
    assert sizes == [4, 8] * 2


def test_row_09_what_is_inside_a_wrapper(place):
    pipeline = li.IngestionPipeline(transformations=[embedonce.wrap(li.Model(), place)])
    for model in (li.Model(), li.Model(model_name="other"), li.Model(dimensions=4)):
        pipeline.transformations = [embedonce.wrap(model, place)]
        assert pipeline.run(documents=documents("a"))[0].embedding == model.vector("a")


def test_row_10_names_that_are_not_unique(place):
    theirs(li.Plain.class_name() == li.Namesake.class_name() == "base_component")
    wrappers = [embedonce.wrap(kind(), place) for kind in (li.Plain, li.Namesake)]
    assert wrappers[0].namespace != wrappers[1].namespace
    assert key(wrappers[0]) != key(wrappers[1])
    with pytest.raises(IdentityError, match="names its model"):
        embedonce.wrap(li.Plain(model_name=li.BaseEmbedding.model_fields["model_name"].default), place)


# -- B. Keys -------------------------------------------------------------------------------------------------------


def test_row_18_lists_that_are_one_text_when_joined(place):
    model = li.Model()
    for disable_cache in (True, False):
        wrapper = embedonce.wrap(model, place)
        pipeline = li.IngestionPipeline(transformations=[wrapper], disable_cache=disable_cache)
        for texts in (["ab", "c"], ["a", "bc"]):
            assert wrapper.get_text_embedding_batch(texts) == model.vectors(texts)
            nodes = pipeline.run(documents=documents(*texts))
            answer = [(node.text, node.embedding) for node in nodes]
            right = list(zip(texts, model.vectors(texts), strict=True))
            # Before the wrapper is asked, the cache of the pipeline answers with the nodes of another list.
            if disable_cache or texts[0] == "ab":
                assert answer == right
            else:
                theirs(answer != right)
    assert sorted(model.asked) == ["a", "ab", "bc", "c"]


def test_row_21_texts_that_are_one_path(place, batch):
    texts = ["a/b", "a//b", "a/./b", "a/c/../b", "../a/b", "/a/b", "a\\b", "a:b", "", ".", "x" * 5000]
    model = li.Model()
    for _ in range(2):
        assert batch(embedonce.wrap(model, place), texts) == model.vectors(texts)
    assert model.asked == texts


def test_row_23_operational_settings(place):
    one, other = li.Plain(), li.Plain(api_key="new", timeout=1.0, max_retries=9, embed_batch_size=5, num_workers=3)
    theirs(key(one) != key(other))
    assert key(embedonce.wrap(one, place)) == key(embedonce.wrap(other, place))
    one, other = (li.OpenAIEmbedding(api_key=name, timeout=len(name)) for name in ("a", "another"))
    theirs(key(one) != key(other))
    assert key(embedonce.wrap(one, place)) == key(embedonce.wrap(other, place))


# -- C. Alignment --------------------------------------------------------------------------------------------------


def test_row_26_too_few_vectors(place, their_kv, batch):
    wrapper = embedonce.wrap(li.Scripted(answers=[[[1.0], [3.0]], [[1.0], [2.0], [3.0]]], calls=[]), place)
    with pytest.raises(EmbedderContractError, match="2 vectors for 3 texts"):
        batch(wrapper, ["a", "b", "c"])
    assert batch(wrapper, ["a", "b", "c"]) == [[1.0], [2.0], [3.0]]
    short = li.Scripted(answers=[[[1.0], [3.0]]], embeddings_cache=their_kv)
    with contextlib.suppress(li.ValidationError):
        batch(short, ["a", "b", "c"])
    theirs([*their_kv.get("b", "embeddings").values()] == [[3.0]])


@pytest.mark.parametrize("workers", [None, 3])
def test_row_30_mixed_hits_and_misses(place, batch, workers):
    rng = random.Random(5)
    model = li.Model(embed_batch_size=3, num_workers=workers)
    wrapper = embedonce.wrap(model, place)
    for _ in range(15):
        texts = rng.choices(TEXTS, k=rng.randrange(1, 25))
        assert batch(wrapper, texts) == model.vectors(texts)
    assert len(set(model.asked)) == len(model.asked)


def test_row_36_the_callers_own_nodes(place):
    def run(transformation, **options):
        pipeline = li.IngestionPipeline(transformations=[transformation], **options)
        given = [li.TextNode(text="a", id_=name) for name in ("A", "B")]
        return [pipeline.run(nodes=[node])[0] for node in given], given

    answers, given = run(embedonce.wrap(li.Model(), place), disable_cache=True)
    assert [answer is node for answer, node in zip(answers, given, strict=True)] == [True, True]
    assert [node.embedding for node in answers] == li.Model().vectors(["a", "a"])
    answers, _ = run(li.Model())
    theirs([node.id_ for node in answers] == ["A", "A"])


# -- D. Values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [[math.nan, 1.0], [math.inf, 1.0], [], None, ["1.0", 2.0]])
def test_row_37_invalid_vectors(place, their_kv, batch, bad):
    # LlamaIndex itself refuses what is not a list, and all of the answer with it.
    again = ["a", "b"] if bad is None else ["b"]
    model = li.Scripted(answers=[[[1.0, 2.0], bad], [[1.0, 2.0], [3.0, 4.0]][-len(again) :]], calls=[])
    wrapper = embedonce.wrap(model, place)
    with pytest.raises(li.ValidationError if bad is None else EmbedderContractError):
        batch(wrapper, ["a", "b"])
    assert batch(wrapper, ["a", "b"]) == [[1.0, 2.0], [3.0, 4.0]]
    assert model.calls == [["a", "b"], again]
    if bad and isinstance(bad[0], float):
        batch(li.Scripted(answers=[[[1.0, 2.0], bad]], calls=[], embeddings_cache=their_kv), ["a", "b"])
        theirs([*their_kv.get("b", "embeddings").values()] == [bad])


def test_row_38_changing_a_returned_list(place, their_kv, batch):
    wrapper, right = embedonce.wrap(li.Model(), place), li.Model().vector("a")
    for model in (wrapper, wrapper, embedonce.wrap(li.Model(), place)):
        answer = batch(model, ["a", "a"])
        assert answer == [right, right]
        answer[0].append(9.0)
        assert answer[1] == right
        single = model.get_text_embedding("a")
        single.clear()
    cached = li.Model(embeddings_cache=their_kv)
    batch(cached, ["a"])[0].append(9.0)
    theirs(batch(cached, ["a"])[0][-1] == 9.0)


def test_row_44_texts_and_secrets_in_the_files(place, their_kv, tmp_path):
    text = "a text that nobody else is to read"
    wrapper = embedonce.wrap(li.Plain(), place)
    wrapper.get_text_embedding(text)
    wrapper.get_query_embedding(text)
    held = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert len(held) > 0
    assert text.encode() not in held
    assert li.SECRET.encode() not in held
    li.Plain(embeddings_cache=their_kv).get_text_embedding(text)
    their_kv.persist(str(tmp_path / "theirs.json"))
    theirs(text in (tmp_path / "theirs.json").read_text())


# -- E. Caches that never hit --------------------------------------------------------------------------------------


def test_row_46_an_empty_store(batch):
    class SizedKV(li.SimpleKVStore):
        def __len__(self):
            return len(self.get_all("embeddings"))

    store, model, alone = Sized(), li.Model(), li.Model(embeddings_cache=SizedKV())
    wrapper = embedonce.wrap(model, store)
    for embedder in (wrapper, wrapper, alone, alone):
        batch(embedder, ["a"])
    assert (len(model.calls), len(store)) == (1, 1)
    theirs(len(alone.calls) == 2)


def test_row_48_one_entry_per_text(place, batch):
    model = li.Model()
    wrapper = embedonce.wrap(model, place)
    for texts in (TEXTS, TEXTS[::-1], [*TEXTS[:50], "changed", *TEXTS[51:]], TEXTS[3:7]):
        assert batch(wrapper, texts) == model.vectors(texts)
    assert model.asked == [*TEXTS, "changed"]


async def test_row_49_duplicates(place, their_kv):
    model, alone = li.Model(), li.Model(embeddings_cache=their_kv)
    wrapper = embedonce.wrap(model, place)
    for embedder in (wrapper, alone):
        await embedder.aget_text_embedding_batch(["a", "b", "a", "a"])
        await asyncio.gather(*[embedder.aget_text_embedding("c") for _ in range(3)])
        embedder.get_text_embedding_batch(["d", "d"])
    assert model.asked == ["a", "b", "c", "d"]
    theirs(len(alone.asked) > 4)


def test_row_51_fragmented_misses(place, their_kv, batch):
    model, alone = li.Model(), li.Model(embeddings_cache=their_kv)
    for embedder in (embedonce.wrap(model, place), alone):
        batch(embedder, [text for number, text in enumerate(TEXTS) if number % 10])
        batch(embedder, TEXTS)
    assert model.calls[9:] == [TEXTS[::10]]
    theirs(len(alone.calls[9:]) == 10)


@pytest.mark.usefixtures("_rate_limiters")
def test_row_52_hits_are_neither_billed_nor_throttled(place, their_kv, batch):
    spent = []
    for embedder in (embedonce.wrap(li.Model(), place), li.Model(embeddings_cache=their_kv)):
        batch(embedder, TEXTS)
        manager, tokens, _ = li.counting()
        embedder.callback_manager, embedder.rate_limiter = manager, li.Limiter()
        batch(embedder, TEXTS)
        spent.append((tokens.total_embedding_token_count, len(embedder.rate_limiter.acquired)))
    assert spent[0] == (0, 0)
    theirs(spent[1] in [(200, 10), (200, 0)])


def test_row_53_the_place_of_a_file(place, tmp_path):
    """What LlamaIndex sends is what is cached: a path in it can only be left out of it."""
    paid = []
    for exclude in ([], ["file_path"]):
        model = li.Model()
        pipeline = li.IngestionPipeline(transformations=[embedonce.wrap(model, place)])
        for folder in ("one", "two"):
            file = tmp_path / folder / "note.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text("A note.")
            read = li.SimpleDirectoryReader(input_files=[file]).load_data()
            for document in read:
                document.excluded_embed_metadata_keys += exclude
            pipeline.run(documents=read)
        paid.append(len(model.asked))
    assert paid == [2, 1]


async def test_row_55_the_store_is_asked_off_the_event_loop():
    store, model = Sized(), li.Model(dimensions=64)
    for _ in range(2):
        wrapper = embedonce.wrap(model, store)
        await wrapper.aget_text_embedding_batch(TEXTS)
        await wrapper.aget_query_embedding("a")
    assert len(model.asked) == 101
    assert store.on_loop
    assert not any(store.on_loop)
