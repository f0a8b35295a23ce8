"""What holds for the clients of all SDKs, in front of a local server whose vectors tell what decided them."""

from __future__ import annotations

import copy
import inspect
import pickle
import random

import pytest
from sdk_clients import CASES, KEY, CohereV1, Voyage

import embedonce

# The SDK of Cohere reads fields in a way that pydantic warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute"),
    pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated"),
]

ELSEWHERE = "http://another:1"
TEXTS = ["one text", "another text", "one text", "Straße, 東京"]
ONCE = ["one text", "another text", "Straße, 東京"]


@pytest.fixture
def service(providers):
    return providers


@pytest.fixture
def url(providers_url):
    return providers_url


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return request.param


@pytest.fixture
def client(case, url):
    return case.client(url)


async def test_each_text_is_paid_for_once_in_one_request(case, client, place, service):
    cached = embedonce.wrap(client, place)
    assert isinstance(cached, type(client))
    assert isinstance(cached, embedonce.Wrapper)
    assert embedonce.wrap(cached) is cached
    expected = case.vectors(await case.embed(client, TEXTS))
    service.requests.clear()
    first = await case.embed(cached, TEXTS)
    assert (case.vectors(first), case.paid(first)) == (expected, 3)
    assert service.requests == [ONCE]
    again = await case.embed(embedonce.wrap(client, place), [*reversed(TEXTS), "a new one"])
    assert (case.vectors(again)[:4], case.paid(again)) == (expected[::-1], 1)
    hit = await case.embed(cached, tuple(TEXTS))
    assert (type(hit), case.vectors(hit), case.paid(hit)) == (type(first), expected, 0)
    assert service.requests == [ONCE, ["a new one"]]


async def test_the_answer_is_that_of_the_client_itself(case, client, place):
    """All of it, if all is paid."""
    for call in ({}, *case.apart):
        plain = await case.embed(client, ONCE, **call)
        first = await case.embed(embedonce.wrap(client, embedonce.MemoryStore()), ONCE, **call)
        assert type(first) is type(plain)
        assert case.shown(first) == case.shown(plain)


async def test_what_changes_vectors_is_kept_apart(case, client, place, service):
    cached = embedonce.wrap(client, place)
    expected = [case.vectors(await case.embed(client, TEXTS, **call)) for call in ({}, *case.apart)]
    service.requests.clear()
    for _ in range(2):
        found = [case.vectors(await case.embed(cached, TEXTS, **call)) for call in ({}, *case.apart)]
        assert found == expected
        assert service.requests == [ONCE] * (1 + len(case.apart))
    for call in case.equal:
        assert case.vectors(await case.embed(cached, TEXTS, **call)) == expected[0]
    assert len(service.requests) == 1 + len(case.apart)


async def test_other_calls_bypass_the_cache_with_one_warning(case, client, service, caplog):
    for call, why in case.bypass:
        cached = embedonce.wrap(client, embedonce.MemoryStore())
        given = {case.texts: TEXTS, **call}
        caplog.clear()
        service.requests.clear()
        answers = []
        for each in (client, cached, cached):
            try:
                response = await case.embed(
                    each, given[case.texts], **{k: v for k, v in call.items() if k != case.texts}
                )
                answers.append(case.shown(response))
            except Exception as error:
                answers.append((type(error), str(error)))
        assert answers[1:] == answers[:1] * 2
        assert len(service.requests) in (0, 3)
        (warning,) = [each.message for each in caplog.records if "bypass the cache" in each.message]
        assert "calls of embed bypass the cache because" in warning
        assert why in warning
        replayed = embedonce.wrap(client, embedonce.MemoryStore(), mode="replay")
        with pytest.raises(embedonce.CacheMissError, match="cannot be replayed because"):
            await case.embed(replayed, given[case.texts], **call)


async def test_what_the_sdk_refuses_is_refused_by_the_sdk(case, client, place, service):
    for mode in ("read_write", "replay"):
        cached = embedonce.wrap(client, place, mode=mode)
        with pytest.raises(TypeError, match="dimension_"):
            await case.embed(cached, TEXTS, dimension_=3)
    assert service.requests == []
    for given in ([], [7], 7):
        outcomes = []
        for each in (client, embedonce.wrap(client, place)):
            try:
                outcomes.append(case.shown(await case.embed(each, given)))
            except Exception as error:
                outcomes.append(type(error))
        assert outcomes[0] == outcomes[1], given


async def test_what_cannot_be_read_goes_to_the_sdk(case, client, caplog):
    """Odd arguments, and clients of later versions that are built in another way."""
    cached = embedonce.wrap(client, embedonce.MemoryStore())
    for odd in case.odd:
        outcomes = []
        for each in (client, cached):
            try:
                outcomes.append(case.shown(await case.embed(each, ["a"], **odd)))
            except Exception as error:
                outcomes.append((type(error), str(error)))
        assert outcomes[0] == outcomes[1], odd
    assert "bypass the cache because its" in caplog.text
    assert "bypass" not in caplog.text.replace("calls of embed bypass", "", 1)


async def test_one_text_that_is_no_list_is_what_the_sdk_makes_of_it(case, client, place):
    outcomes = []
    for each in (client, embedonce.wrap(client, place)):
        try:
            outcomes.append(case.vectors(await case.embed(each, "one text")))
        except Exception as error:
            outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]


async def test_what_a_tracer_has_put_around_the_method_is_called(case, client, place, service):
    embed, seen = client.embed, []

    def traced(*args, **given):
        seen.append((args, given))
        return embed(*args, **given)

    client.embed = traced
    cached = embedonce.wrap(client, place)
    for _ in range(2):
        await case.embed(cached, ["a"])
    assert len(seen) == len(service.requests) == 1
    with pytest.raises(embedonce.CacheMissError):
        await case.embed(embedonce.wrap(client, place, mode="replay"), ["b"])


async def test_what_a_tracer_puts_around_the_cached_method_is_called(case, client, place, service):
    cached = embedonce.wrap(client, place)
    embed, seen = cached.embed, []

    def traced(*args, **given):
        seen.append((args, given))
        return embed(*args, **given)

    cached.embed = traced
    for _ in range(2):
        await case.embed(cached, ["a"])
    assert (len(seen), len(service.requests)) == (2, 1)
    del cached.embed
    await case.embed(cached, ["a"])
    assert (len(seen), len(service.requests)) == (2, 1)


async def test_the_method_can_be_wrapped(case, client, place, service):
    expected = case.vectors(await case.embed(client, ["a"]))
    service.requests.clear()
    embed = embedonce.wrap(client.embed, place)
    assert inspect.signature(embed) == inspect.signature(client.embed)
    assert inspect.iscoroutinefunction(embed) == case.is_async
    for each in (embed, embedonce.wrap(embedonce.wrap(client, place).embed, place)):
        response = each(**{case.texts: ["a"], **case.call})
        assert case.vectors(await response if case.is_async else response) == expected
    assert len(service.requests) == 1


async def test_errors_of_the_sdk_arrive_as_they_are(case, client, place, service):
    service.quota = 1
    cached = embedonce.wrap(client, place, batch_size=1)
    options = {"request_options": {"max_retries": 0}} if "Cohere" in str(case) else {}
    with pytest.raises(getattr(case.package, case.error), match="the quota is used up"):
        await case.embed(cached, ["a", "b"], **options)
    assert case.paid(await case.embed(cached, ["a"])) == 0


async def test_an_answer_with_too_few_vectors_is_not_stored(case, client, place, service):
    service.short = 1
    cached = embedonce.wrap(client, place)
    with pytest.raises(embedonce.EmbedderContractError, match="2 vectors for 3 texts"):
        await case.embed(cached, TEXTS)
    service.short = 0
    assert case.paid(await case.embed(cached, TEXTS)) == 3


def test_clients_that_go_elsewhere_are_kept_apart(case, url):
    clients = [case.client(url), case.client(ELSEWHERE)]
    if not isinstance(case, Voyage):
        clients += [case.client(url, headers={"x-route": value}) for value in "bc"]
    for namespace, apart in ((None, len(clients)), ("acme", max(1, len(clients) - 1))):
        cached = [embedonce.wrap(each, embedonce.MemoryStore(), namespace=namespace) for each in clients]
        names = {each.identity_of(**case.call).namespace for each in cached}
        assert len(names) == apart
        assert not any("x-route" in name or KEY in name for name in names)
        assert KEY not in repr(cached)


def test_a_client_has_no_identity_but_its_calls_have(case, client):
    cached = embedonce.wrap(client, embedonce.MemoryStore(), namespace="acme", version=2)
    assert not hasattr(cached, "identity")
    assert not hasattr(cached, "namespace")
    name = cached.identity_of(**case.call).namespace
    assert name.startswith('acme?call={"')
    assert name.endswith('&version="2"')
    with pytest.raises(embedonce.IdentityError, match="its model is not a name"):
        cached.identity_of()
    with pytest.raises(TypeError, match="dimension_"):
        cached.identity_of(dimension_=3)


async def test_a_class_of_ones_own_needs_a_namespace(case, url, place, service):
    own = type("Own", (case.type,), {})
    client = case.client(url)
    client.__class__ = own
    with pytest.raises(embedonce.IdentityError, match="name the server"):
        embedonce.wrap(client, place)
    cached = embedonce.wrap(client, place, namespace="acme")
    assert isinstance(cached, own)
    for _ in range(2):
        await case.embed(cached, ["a"])
    assert len(service.requests) == 1


async def test_a_client_that_is_changed_is_followed(case, client, url, place, service):
    cached = embedonce.wrap(client, place)
    before = cached.identity_of(**case.call)
    case.redirect(client, ELSEWHERE)
    assert cached.identity_of(**case.call) != before
    case.redirect(cached, url)
    assert cached.identity_of(**case.call) == before
    answer = service.answer

    def change(*asked):
        case.redirect(client, ELSEWHERE)
        return answer(*asked)

    service.answer = change
    await case.embed(cached, ["a"])
    case.redirect(client, url)
    service.answer = answer
    assert case.paid(await case.embed(cached, ["a"])) == 1


async def test_a_copy_asks_the_same_cache_and_goes_its_own_way(case, client, url, place, service):
    cached = embedonce.wrap(client, place)
    copied = copy.copy(cached)
    assert type(copied) is type(cached)
    assert copied.inner is not cached.inner
    assert copied.cache is cached.cache
    await case.embed(copied, ["a"])
    assert case.paid(await case.embed(cached, ["a"])) == 0


async def test_a_wrapped_client_is_pickled_if_the_client_can_be(case, client, url, place, service):
    cached = embedonce.wrap(client, place)
    try:
        pickle.dumps(client)
    except TypeError:
        with pytest.raises(TypeError):
            pickle.dumps(cached)
        return
    await case.embed(cached, ["a"])
    loaded = pickle.loads(pickle.dumps(cached))
    assert type(loaded) is type(cached)
    assert case.paid(await case.embed(loaded, ["a"])) == 0


async def test_a_replay_asks_nobody(case, client, place, service):
    expected = case.vectors(await case.embed(embedonce.wrap(client, place), TEXTS))
    replayed = embedonce.wrap(client, place, mode="replay")
    assert case.vectors(await case.embed(replayed, TEXTS)) == expected
    with pytest.raises(embedonce.CacheMissError):
        await case.embed(replayed, ["another"])
    assert len(service.requests) == 1


async def test_leaving_a_wrapped_client_closes_the_one_inside(case, client, place):
    if not hasattr(client, "__aenter__" if case.is_async else "__enter__"):
        return
    cached = embedonce.wrap(client, place)
    if case.is_async:
        async with cached as entered:
            await case.embed(entered, ["a"])
    else:
        with cached as entered:
            await case.embed(entered, ["a"])
    assert entered is cached
    http = client._client if hasattr(client, "_client") else client._client_wrapper.httpx_client.httpx_client
    assert http.is_closed


async def test_a_long_call_is_one_request_where_the_sdk_sends_one(case, client, place, service):
    texts = [f"text {number}" for number in range(300)]
    await case.embed(embedonce.wrap(client, place), texts)
    # They are sent at once, and arrive in any order.
    assert sorted(map(len, service.requests)) == ([12, 96, 96, 96] if isinstance(case, CohereV1) else [300])


@pytest.mark.soak
async def test_random_calls_of_all_clients_have_the_vectors_of_unwrapped_ones(url, service):
    """All of them in one store."""
    store, chosen = embedonce.MemoryStore(), random.Random(7)
    clients = [(case, client, embedonce.wrap(client, store)) for case in CASES for client in (case.client(url),)]
    for _ in range(1500):
        case, client, cached = chosen.choice(clients)
        call = {}
        for more in chosen.sample([*case.apart, *case.equal], chosen.randint(0, 3)):
            call |= more
        texts = [f"text {chosen.randint(1, 12)}" for _ in range(chosen.randint(1, 6))]
        answers = [await case.embed(each, texts, **call) for each in (cached, client)]
        assert case.vectors(answers[0]) == case.vectors(answers[1]), (case, call, texts)
        assert type(answers[0]) is type(answers[1])
    assert len(service.requests) < 2 * 1500
