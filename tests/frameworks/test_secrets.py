"""No secret reaches names, files, logs, errors, pickles or what frameworks serialise, whatever field holds it."""

from __future__ import annotations

import itertools
import json
import logging
import pickle
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import haystack_known
import langchain_classes
import langchain_makers
import llamaindex_classes
import llamaindex_known
import pytest
from langchain_core.load import dumpd
from pydantic import SecretStr

import embedonce
from haystack_integrations.components.embedders.embedonce.identities import describer as haystack
from langchain_embedonce.identities import describer as langchain
from llama_index.embeddings.embedonce.identities import describer as llamaindex

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIXED = "q7Zk2Lw9Xv4Tn8Rb3Hc6Yd1Mf"
LOWER = "kd93mfla02ndkqpwo3i4mzxcvqwe9182"
HEX = "9f86d081884c7d659a2feaa0c55ad015"
WORD = "hunter2pw"
AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DIGITS = "839201847562910384756"
PARTS = (MIXED, MIXED[:12], MIXED[14:], LOWER, LOWER[:12], HEX, WORD, AWS[:13], AWS[22:], DIGITS)

# These certainly are secrets, also among the settings of a class that is known.
CERTAIN = {
    "PEM": f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{MIXED}\n-----END RSA PRIVATE KEY-----",
    "Azure storage": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={WORD};EndpointSuffix=core.windows.net",
    "service bus": f"Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey={MIXED}=",
    "DSN": f"host=db user=me password={WORD}",
    "ODBC": f"Server=tcp:db,1433;Uid=me;Pwd={WORD};",
    "URL of a database": f"postgresql://me:{WORD}@db:5432/x",
    "URL without a user": f"redis://:{WORD}@h:6379/0",
    "URL with a password": f"https://me:{WORD}@host/v1",
    "token in a query": f"https://host/v1?token={WORD}",
    "signed URL": f"https://a.blob.core.windows.net/c?sv=1&sig={WORD}&se=2",
    "webhook": f"https://hooks.slack.com/services/T00/B00/{MIXED}",
    "webhook of another": f"https://discord.com/api/webhooks/123/{MIXED}",
    "JWT": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx{MIXED}.{MIXED}",
    "service account": json.dumps({"type": "service_account", "private_key": f"-----BEGIN PRIVATE KEY-----\n{MIXED}"}),
    "JSON": json.dumps({"user": "me", "password": WORD}),
    "YAML": f"api_key: {WORD}",
    "shell": f"export OPENAI_API_KEY='{MIXED}'",
    "command line": f"--password {WORD}",
    "netrc": f"machine h login me password {WORD}",
    "header": f"Authorization: Token {WORD}",
    "bearer": f"Bearer {HEX}",
    "basic": f"Basic {MIXED}",
    **{
        f"token {prefix}": f"{prefix}{LOWER if prefix.islower() else MIXED}"
        for prefix in (
            *("sk-proj-", "sk-", "sk-ant-api03-", "hf_", "ghp_", "github_pat_", "xoxb-1-", "nvapi-", "pa-", "jina_"),
            *("gsk_", "r8_", "pcsk_", "xai-", "fw_", "npm_", "pypi-", "sk_live_", "ya29.", f"SG.{MIXED}.", "AIza"),
        )
    },
    "token dapi": f"dapi{HEX}",
    "token glpat": f"glpat-{MIXED[:20]}",
    "token of a bot": f"123456789:AA{MIXED}",
}
# And these only look like secrets: revisions, names of deployments and paths do too.
NOISE = {
    "letters of both cases": MIXED,
    "small letters": LOWER,
    "hexadecimal": HEX,
    "digits": DIGITS,
    "AWS": AWS,
    "base64": "aHVudGVyMnB3aHVudGVyMnB3aHVudGVyMnB3",
    "a user and a key": f"me:{MIXED}",
    "cookie": f"session={MIXED}; path=/",
    "key in a path": f"https://host/v1/{MIXED}/embed",
}
NAMES = (
    *("note", "conn", "connection_string", "dsn", "pat", "api_base_path", "service_account_json", "webhook_url", "url"),
    *("endpoint", "task_key", "query_token", "signature", "auth_mode", "prompt", "cfg", "OPENAI_API_KEY", "keys"),
)
FORMS: dict[str, Callable[[str], Any]] = {
    "text": lambda text: text,
    "bytes": str.encode,
    "list": lambda text: [text],
    "tuple": lambda text: (1, text),
    "set": lambda text: {text},
    "nested": lambda text: {"a": {"b": [text]}},
    "name": lambda text: {text: 1},
    "secret": SecretStr,
}


def shown_parts(*shown: object) -> list[str]:
    """Return what is shown of a secret."""
    text = " ".join(map(str, shown))
    text += unquote(text)
    return [part for part in PARTS if part in text]


def described(describer: Any, embedder: Any) -> str:
    """Return all that is said of an embedder, accepted or refused."""
    try:
        description = describer.describe(embedder)
    except embedonce.IdentityError as error:
        return str(error)
    return f"{description.identity} {description.identity!r} {description.not_cacheable}"


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_of_an_unknown_class_is_in_its_name_or_its_refusal(form: str) -> None:
    for name, (shape, text) in itertools.product(NAMES, {**CERTAIN, **NOISE}.items()):
        embedder = langchain_classes.Custom(**{name: FORMS[form](text)})
        assert not shown_parts(described(langchain, embedder)), (name, shape)


KNOWN = [
    *[("langchain", name) for name in ("openai", "azure", "ollama", "cohere", "bedrock", "voyage", "google")],
    *[("llamaindex", name) for name in ("openai", "cohere", "voyage", "ollama", "huggingface", "mistral", "jina")],
    *[("haystack", f"{name}-Text") for name in ("openai", "mistral", "cohere", "ollama", "nvidia", "vertex")],
]
DESCRIBERS = {"langchain": langchain, "llamaindex": llamaindex, "haystack": haystack}


def made(framework: str, name: str) -> Any:
    if framework == "langchain":
        return getattr(langchain_makers, name)()
    return {"llamaindex": llamaindex_known, "haystack": haystack_known}[framework].KNOWN[name].make()


@pytest.mark.parametrize(("framework", "name"), KNOWN)
def test_no_secret_in_any_field_of_a_known_class_is_in_its_name_or_its_refusal(framework: str, name: str) -> None:
    embedder, describer = made(framework, name), DESCRIBERS[framework]
    private = getattr(embedder, "__pydantic_private__", None) or {}
    for held, field in [(each, field) for each in (vars(embedder), private) for field in each]:
        before = held[field]
        for shape, text in CERTAIN.items():
            for form in ("text", "nested"):
                added = {"note": text, **before} if isinstance(before, dict) else text
                held[field] = added if form == "text" else FORMS[form](text)
                assert not shown_parts(described(describer, embedder)), (field, shape, form)
        held[field] = before


SECRETS = {f"field_{number}": text for number, text in enumerate({**CERTAIN, **NOISE}.values())}


def lang() -> Any:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    class Fields(langchain_classes.Custom):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return DeterministicFakeEmbedding(size=3).embed_documents(texts)

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    Fields.__module__, Fields.__qualname__ = langchain_classes.__name__, "Fields_"
    langchain_classes.Fields_ = Fields  # type: ignore[attr-defined]
    return Fields(**SECRETS)


def llama() -> Any:
    embedder = llamaindex_classes.Custom()
    for name, text in SECRETS.items():
        embedder.__pydantic_private__[f"_{name}"] = text
    return embedder


ASK: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "langchain": (lang, lambda wrapped: wrapped.embed_documents(["a", "b"])),
    "llamaindex": (llama, lambda wrapped: wrapped.get_text_embedding_batch(["a", "b"])),
}


@pytest.mark.parametrize("framework", ASK)
def test_no_secret_is_in_what_a_wrapper_shows_logs_stores_or_serialises(
    framework: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, ask = ASK[framework]
    with caplog.at_level(logging.DEBUG, "embedonce"):
        wrapped = embedonce.wrap(make(), tmp_path)
        ask(wrapped)
        shown = [
            wrapped,
            repr(wrapped),
            wrapped.namespace,
            repr(wrapped.identity),
            wrapped.cache,
            wrapped.cache.usage(),
        ]
        if framework == "langchain":
            shown.append(dumpd(wrapped))
            wrapped.underlying_embeddings.field_0 += "x"
        else:
            shown.append(wrapped.to_dict())
            wrapped.inner.__pydantic_private__["_field_0"] += "x"
        ask(wrapped)
    assert "has changed since it was wrapped" in caplog.text
    assert not shown_parts(*shown, caplog.text)
    for file in tmp_path.rglob("*"):
        assert not shown_parts(file)
        if file.is_file():
            assert not shown_parts(file.read_bytes().decode("latin-1")), file
    assert not shown_parts(pickle.dumps([wrapped.identity, wrapped.cache, wrapped.wrap_options]).decode("latin-1"))


def test_a_haystack_component_does_not_write_a_secret_of_its_own() -> None:
    component = haystack_known.KNOWN["mock-Text"].make()
    wrapped = embedonce.wrap(component, f"memory://me:{WORD}@bucket/path")
    with pytest.raises(ValueError, match="store") as caught:
        wrapped.to_dict()
    assert not shown_parts(caught.value, wrapped, repr(wrapped.cache))


@pytest.mark.parametrize(
    "settings",
    [{"query_token": "[Q]"}, {"prompt_key": "query"}, {"signature": "v2"}, {"auth_mode": "b"}, {"chunk_size_limit": 3}],
)
def test_plain_settings_with_names_like_secrets_count_in_known_classes_too(settings: dict[str, Any]) -> None:
    plain, other = langchain_makers.openai(), langchain_makers.openai(model_kwargs=settings)
    assert langchain.describe(plain).identity != langchain.describe(other).identity
