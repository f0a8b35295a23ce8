"""What tells embedders apart whose class nobody knows."""

from __future__ import annotations

import json
import os
import sys
import threading
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
import requests
from known_class import SECRET
from langchain_identities import WARNINGS, describe, fingerprint, lc, namespace, sub_batch
from langchain_makers import (
    openai,
)
from pydantic import SecretStr
from variants import over

from embedonce.errors import IdentityError
from embedonce.identification.settings.names import OPERATIONAL

pytestmark = WARNINGS


# -- unknown classes -----------------------------------------------------------------------------------------------


HERE = "langchain_classes"
NOISE = "q7Zk2Lw9Xv4Tn8Rb3Hc6Yd1Mf"


class Client:
    """A live client that keeps where it sends to, as those of provider packages do."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self._base_url = url
        self._custom_headers = headers or {}


class Session:
    """No session of `requests`, whatever its class says of its module."""

    __module__ = "requests.sessions"


class Rerouting(httpx.BaseTransport):
    """Sends each request elsewhere."""


class Color(Enum):
    """A setting with named values."""

    RED = "red"


def test_unknown_class_keeps_all_fields() -> None:
    """Public and private ones; nothing tells which of them matter."""
    assert namespace(lc.Custom(pooling="cls", _layers=[1, 2], options={"b": 1.5, "a": None})) == (
        f'{HERE}.Custom/acme-1?_layers=[1,2]&options={{"a":null,"b":1.5}}&pooling="cls"'
    )
    description = describe(lc.Custom())
    assert description.identity is not None
    assert not description.identity.symmetric


def test_unknown_pydantic_class() -> None:
    """Fields, extras and private attributes, without the secret ones."""
    assert namespace(lc.Fields.model_validate({"extra_field": 3, "headers": {}})) == (
        f'{HERE}.Fields/acme-1?_prefix="p: "&extra_field=3&pooling="cls"'
    )


def test_unknown_class_with_slots_or_constants() -> None:
    """Fields may be anywhere."""
    assert namespace(lc.Slotted("cls")) == f'{HERE}.Slotted/acme-1?pooling="cls"'
    assert fingerprint(lc.Slotted("cls")) != fingerprint(lc.Slotted("mean"))
    assert namespace(lc.Constant()) == f'{HERE}.Constant/acme-1?prefix="p: "'


@over(
    fields=[
        {"pooling": "mean"},
        {"_pooling": "mean"},
        {"layers": (1, 2)},
        {"layers": {1, 2}},
        {"flag": False},
        {"scale": 0.5},
        {"scale": np.float32(0.5)},
        {"size": np.int64(3)},
        {"color": Color.RED},
        {"path": Path("x/y")},
        {"deployment": "d"},
        {"input_key": "text"},
        {"max_tokens": 3},
        {"pad_token": "<pad>"},
        {"prompt": "Basic question about the text: "},
        {"url": "http://gpu/embed?st=a"},
        {"use_auth_token": True},
        {"retrieval_mode": "dense"},
        {"config": {"pooling": "mean"}},
        {"base_url": "http://gpu:8000/v1"},
        {"url": "http://gpu/embed?model=a"},
        {"model_kwargs": {"pooling": "mean"}},
        {"query_token": "[Q]"},
        {"prompt_key": "query"},
        {"prompt_key": "Represent this sentence for searching relevant passages: "},
        {"task_key": "retrieval"},
        {"signature": "v2"},
        {"auth_mode": "b"},
        {"chunk_size": 3},
        {"session": "b"},
        {"retry": "model-b"},
        {"client": Client("http://b")},
        {"_aclient": Client("http://b")},
        {"client": SimpleNamespace(base_url="http://a", deployment="b")},
        {"client": SimpleNamespace(_client=SimpleNamespace(base_url="http://a", options={"pool": "cls"}))},
        {"client": httpx.Client(params={"pool": "cls"})},
        {"sdk": httpx.Client(base_url="http://b")},
        {"client_kwargs": {"base_url": "http://b"}},
        {"client_kwargs": {"headers": {"x-model": "b"}}},
        {"default_headers": {"x-model": "b"}},
    ],
)
def test_fields_of_an_unknown_class_that_count(fields: dict[str, Any]) -> None:
    """A lost hit is better than a wrong vector."""
    assert namespace(lc.Custom(**fields)) != namespace(lc.Custom())
    assert fingerprint(lc.Custom(**fields)) != fingerprint(lc.Custom())
    json.dumps(describe(lc.Custom(**fields)).identity.parameters)  # type: ignore[union-attr]


@over(
    fields=[
        {"api_key": SECRET},
        {"openaiApiKey": SECRET},
        {"connection_string": SECRET},
        {"_token": SECRET},
        {"hf_token_provider": lambda: SECRET},
        {"password": 1234},
        {"aws_secret_access_key": SECRET},
        {"aws_access_key_id": SECRET},
        {"credentials": {"x": SECRET}},
        {"auth": ("me", SECRET)},
        {"anything": SecretStr(SECRET)},
        {"timeout": 3},
        {"request_timeout": 3},
        {"max_retries": 3},
        {"retry_min_seconds": 3},
        {"batch_size": 3},
        {"show_progress_bar": True},
        {"default_headers": {"Authorization": SECRET, "User-Agent": "a", "x-stainless-os": "b", "traceparent": "c"}},
        {"client_kwargs": {"timeout": 3, "token": SECRET}},
        {"timeouts": {"read": 3}},
        {"http_client": httpx.Client()},
        {"session": requests.Session()},
        {"timeout": httpx.Timeout(3)},
        {"organization": "o"},
        {"cache_folder": "x"},
        {"device": "cuda"},
        {"n_jobs": 3},
        {"num_workers": 3},
        {"threads": 3},
        {"_mutex": threading.Lock()},
        {"unset": None},
        {"model_kwargs": {"device": "cuda", "token": SECRET, "timeout": 3}},
    ],
)
def test_fields_of_an_unknown_class_that_do_not_count(fields: dict[str, Any]) -> None:
    """Secrets and everything that only changes how a request travels."""
    assert describe(lc.Custom(**fields)) == describe(lc.Custom())


def test_callbacks_of_langchain_do_not_count() -> None:
    """They are told of a call; what else stands under that name may change it."""
    from langchain_core.callbacks import BaseCallbackHandler

    assert describe(lc.Custom(callbacks=[BaseCallbackHandler()])) == describe(lc.Custom())


@over(client=[Client("http://a"), SimpleNamespace(_client=SimpleNamespace(base_url="http://a/"))])
def test_a_client_adds_nothing_to_the_url_that_its_class_states(client: Any) -> None:
    """So a client that is built late makes no other embedder."""
    assert describe(lc.Custom(url="http://a", client=client)) == describe(lc.Custom(url="http://a", client=None))
    assert describe(lc.Custom(url="http://b", client=client)) != describe(lc.Custom(url="http://b", client=None))


def test_clients_are_told_apart_by_what_they_send_and_not_by_the_object() -> None:
    """Whatever the name of the field."""
    one, same = lc.Custom(client=Client("http://a")), lc.Custom(client=Client("http://a"))
    other = lc.Custom(client=Client("http://a", {"x-model": "b"}))
    assert describe(one) == describe(same) != describe(other)
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


@over(
    name=[
        "api_base_path",
        "connection",
        "pat",
        "dsn",
        "note",
        "service_account_json",
        "task_key",
        "webhook_url",
        "conn",
    ],
    nested=[False, True],
    value=[
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={NOISE}==;EndpointSuffix=core.windows.net",
        f"Server=tcp:db,1433;User=me;Password={NOISE};",
        f"host=db user=me password={NOISE}",
        f"postgresql://me:{NOISE}@db:5432/x",
        f"https://hooks.slack.com/services/T000/B000/{NOISE}",
        f"https://host/v1/{NOISE}/embed",
        f"https://host/v1?token={NOISE}",
        f"-----BEGIN PRIVATE KEY-----\n{NOISE}\n-----END PRIVATE KEY-----",
        f'{{"type": "service_account", "private_key": "{NOISE}"}}',
        f"dapi{NOISE}",
        f"glpat-{NOISE}",
        f"Bearer {NOISE}",
        f"sk-ant-api03-{NOISE}",
        f"xoxb-1-{NOISE}",
        NOISE,
        f"{NOISE[:10]}-{NOISE[10:20]}_{NOISE[20:]}",
        NOISE * 9,
    ],
)
def test_no_secret_is_written_in_an_identity(name: str, value: str, nested: bool) -> None:
    """A digest stands for what is not short and plain."""
    identity = describe(lc.Custom(**({"options": {name: value}} if nested else {name: value}))).identity
    assert identity is not None
    shown = f"{identity.namespace} {unquote(identity.namespace)} {identity!r}"
    assert not any(part in shown for part in (NOISE, NOISE[:10], NOISE[20:]))


def test_long_settings_are_told_apart_by_their_digest() -> None:
    """They may hold anything."""
    long = "Represent this text for retrieval. " * 9
    assert "Represent" not in namespace(lc.Custom(prompt=long))
    assert namespace(lc.Custom(prompt=long)) != namespace(lc.Custom(prompt=f"{long}!"))


@over(
    value=[
        f"sk-proj-{SECRET}",
        f"Bearer {SECRET}",
        "hf_abcdefghijklmnopqrst",
        "nvapi-abcdef",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdefghijklmnopqrst",
    ],
)
def test_values_that_look_like_secrets_are_left_out(value: str) -> None:
    """A secret may be in a field of any name."""
    assert namespace(lc.Custom(note=value, options={"note": value})) == f"{HERE}.Custom/acme-1"


URLS = [
    (f"https://me:{SECRET}@HOST:443/v1/", "https://host/v1"),
    (f"https://host/v1?api_key={SECRET}&b=2&a=1#x", "https://host/v1?a=1&b=2"),
    (f"https://host/f?code={SECRET}&sig={SECRET}&se=2030&X-Amz-Signature={SECRET}", "https://host/f"),
    (f"me:{SECRET}@host:8000/", "host:8000"),
    (f"postgresql://me:{SECRET}@host:5432/db", "postgresql://host:5432/db"),
    ("http://[::1]:8000/", "http://localhost:8000"),
]


@over(case=URLS)
def test_urls_lose_their_secrets(case: tuple[str, str]) -> None:
    """And have one spelling."""
    url, expected = case
    assert unquote(namespace(lc.Custom(api_url=url))) == f'{HERE}.Custom/acme-1?api_url="{expected}"'


UNCLEAR = [
    ({"client": object()}, "'client' holds a builtins.object"),
    ({"_async_client": object()}, "'_async_client' holds a builtins.object"),
    ({"client": Session()}, "'client' holds a requests.sessions.Session"),
    ({"client": httpx.Client(transport=Rerouting())}, "'client' holds a httpx.Client"),
    ({"client": httpx.Client(event_hooks={"request": [len]})}, "'client' holds a httpx.Client"),
    ({"client": SimpleNamespace(base_url="http://a", encoder=object())}, "'encoder' holds a builtins.object"),
    ({"callback": len}, "'callback' holds a builtins.builtin_function_or_method"),
    ({"task_key": len}, "'task_key' holds a builtins.builtin_function_or_method"),
    ({"credentials": object()}, "'credentials' holds a builtins.object"),
    ({"session": len}, "'session' holds a builtins.builtin_function_or_method"),
    ({"encoder": object()}, "'encoder' holds a builtins.object"),
    ({"_encoder": object()}, "'_encoder' holds a builtins.object"),
    ({"tokenize": len}, "'tokenize' holds a builtins.builtin_function_or_method"),
    ({"matrix": np.zeros(2)}, "'matrix' holds a numpy.ndarray"),
    ({"blob": b"x"}, "'blob' holds a builtins.bytes"),
    ({"options": {"deep": [object()]}}, "'deep' holds a builtins.object"),
    ({"options": {1: "x"}}, "'options' holds a builtins.dict"),
    ({"scale": float("nan")}, "'scale' holds a builtins.float"),
    ({"model": ""}, "no field names its model"),
    ({"model": None, "endpoint": "http://gpu:8000"}, "no field names its model"),
    ({"model": None, "endpoint": "gpu:8000"}, "no field names its model"),
    ({"model": object()}, "'model' holds a builtins.object"),
    ({"model": "\ud800"}, "UnicodeEncodeError"),
    ({"api_url": "http://host:port/"}, "URL that cannot be parsed"),
]


@over(case=UNCLEAR)
def test_unclear_fields_are_refused(case: tuple[dict[str, Any], str]) -> None:
    """The message names the class, the field and the remedy, and quotes no value."""
    fields, named = case
    with pytest.raises(IdentityError) as caught:
        describe(lc.Custom(**fields, api_key=SECRET))
    message = str(caught.value)
    assert f"{HERE}.Custom" in message
    assert named in message
    assert "namespace=" in message
    assert "embedonce_identity" in message
    assert SECRET not in message
    assert fingerprint(lc.Custom(**fields)) is not None


def test_embedder_inside_a_class_that_is_not_known_is_refused() -> None:
    """Nothing says how its settings count there."""
    with pytest.raises(IdentityError, match="'inner' holds a langchain_core"):
        describe(lc.Custom(inner=lc.DeterministicFakeEmbedding(size=3)))


def test_values_that_hold_themselves_are_refused() -> None:
    """They have no end."""
    loop: list[Any] = []
    loop.append(loop)
    embedder = lc.Custom(options=loop)
    with pytest.raises(IdentityError, match="nested too deeply"):
        describe(embedder)
    assert fingerprint(embedder) == fingerprint(embedder)


def test_unexpected_value_in_a_known_class_is_refused_without_quoting_it() -> None:
    """The message of a foreign error may hold anything."""
    embedder = openai()
    embedder.model_kwargs = f"not a dict {SECRET}"
    with pytest.raises(IdentityError, match=r"something unexpected.*namespace=") as caught:
        describe(embedder)
    assert SECRET not in str(caught.value)


def test_nameless_embedder_is_refused() -> None:
    """Two of them would share one namespace."""
    with pytest.raises(IdentityError, match=r"Nameless.*no field names its model.*namespace=.*embedonce_identity"):
        describe(lc.Nameless())


@pytest.mark.parametrize("module", ["__main__", "no_such_module", "json"])
def test_class_that_cannot_be_imported_is_refused(module: str) -> None:
    """Only an importable class is the same one in another process."""
    kind = type("Script", (lc.Custom,), {"__module__": module, "__qualname__": "Script"})
    with pytest.raises(IdentityError, match=rf"{module}\.Script.*namespace="):
        describe(kind())


def test_class_of_a_function_is_refused() -> None:
    """Two functions may define two classes of one name."""

    class Local(lc.Custom):
        pass

    with pytest.raises(IdentityError, match="function"):
        describe(Local())


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "model_name",
        "_model_name",
        "model_id",
        "deployment",
        "azure_deployment",
        "repo_id",
        "_Custom__model",
        "model_uid",
        "endpoint",
    ],
)
def test_fields_that_name_a_model(name: str) -> None:
    """Names vary from class to class."""
    embedder = lc.Custom(**{"model": None, name: "acme-2"})
    assert namespace(embedder) == f"{HERE}.Custom/acme-2"


@pytest.mark.parametrize("model", ["BAAI/Large2ModelOfText3V1", "/models/q7Zk2Lw9Xv4Tn8Rb3", "e5-2024-05-13-v12345678"])
def test_the_name_of_a_model_stays_in_clear(model: str) -> None:
    """However random it looks."""
    assert namespace(lc.Custom(model=model)) == f"{HERE}.Custom/{model}"


def test_fingerprint_holds_copies() -> None:
    """Else a change in place would change both sides of the comparison."""
    embedder: Any = lc.Custom(options={"a": [1]}, live=object())
    before = fingerprint(embedder)
    assert before == fingerprint(embedder)
    embedder.options["a"].append(2)
    assert before != fingerprint(embedder)
    after = fingerprint(embedder)
    embedder.live = object()
    assert after != fingerprint(embedder)


def test_reading_never_calls_the_embedder() -> None:
    """A property may open a connection."""

    class Lazy:
        model = "acme-1"

        @property
        def connection(self) -> object:
            raise AssertionError

        @property
        def dimensions(self) -> int:
            raise AssertionError

    fingerprint(Lazy())
    sub_batch(Lazy())
    with pytest.raises(IdentityError, match="function"):
        describe(Lazy())


def test_operational_names() -> None:
    """Arguments of a call that may be left out of a key."""
    assert {"chunk_size", "batch_size", "show_progress", "timeout", "callbacks", "max_retries"} <= OPERATIONAL
    assert not OPERATIONAL & {"task_type", "output_dimensionality", "titles", "dimensions", "encoding_format", "prompt"}


def test_no_partner_package_is_imported() -> None:
    """Recognising a class must not need its package."""
    import subprocess

    code = "import sys, langchain_embedonce.identities; print(*sys.modules)"
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert not roots & {"langchain_core", "langchain_openai", "openai", "pydantic", "langchain_huggingface", "torch"}
