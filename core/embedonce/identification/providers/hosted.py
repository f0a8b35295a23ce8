"""Models behind the interfaces of other providers, and self-hosted servers.

What the functions share:

- `model` is the provider's name of the model, `dimensions` the length of vectors as requested.
- `endpoint` is where requests go; None and the provider's own URL are the same.
- `request` holds further arguments of the request, `more` further parameters of the identity.
- `document_prefix` and `query_prefix` are put in front of texts of that role.
- `task` and `input_type` are what is sent for documents and queries alike; None if each role sends its own.
- `truncate` says what happens to long texts, in the provider's words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from embedonce.identification.known_classes import apart, identity_of, in_host, unless
from embedonce.identification.providers.openai_protocol import requested
from embedonce.identification.routing.headers import is_providers_own
from embedonce.identification.settings.plain import UnclearSettingError, clean_url

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from embedonce.identity import Identity

_OLLAMA_URL = "http://localhost:11434"
# Nothing is sampled, and hardware only adds noise to the last digits.
_NOISE = """
frequency_penalty low_vram main_gpu min_p mirostat mirostat_eta mirostat_tau num_gpu num_keep num_predict num_thread
numa penalize_newline presence_penalty repeat_last_n repeat_penalty seed stop temperature tfs_z top_k top_p typical_p
use_mlock use_mmap
"""
_OLLAMA_NOISE = frozenset(_NOISE.split())


def _foreign(endpoint: str | None, official: Collection[str] = (), hosts: Collection[str] = ()) -> str | None:
    """Return a URL in one spelling, None for one of the provider's own."""
    url = clean_url(endpoint) if endpoint else None
    return None if url is None or url in official or in_host(url, *hosts) else url


def huggingface_inference(
    model: Any,
    *,
    inference_provider: str | None = "auto",
    task: str | None = "feature-extraction",
    request: Mapping[str, Any] | None = None,
    document_prefix: str | None = None,
    query_prefix: str | None = None,
    pooling: str | None = None,
) -> Identity:
    """Identify a model, or a URL in its place, behind the inference API of Hugging Face.

    A `model` in the request wins. The `inference_provider` is who computes; "auto" leaves that to the hub. `pooling` is
    how the client would pool an answer with a vector per token, if not by taking the first one.
    """
    sent = dict(request or {})
    model = sent.pop("model", None) or model
    sent.pop("encoding_format", None)
    parameters = {
        "inference_provider": unless("auto", inference_provider),
        "task": unless("feature-extraction", task),
        "document_prefix": document_prefix,
        "query_prefix": query_prefix,
        "pooling": unless("cls", pooling),
    }
    symmetric = (document_prefix or "") == (query_prefix or "")
    return identity_of("huggingface-inference", model, {**apart(sent, parameters), **parameters}, symmetric=symmetric)


def ollama_url(url: str | None) -> str | None:
    """Return the URL of an Ollama server as its client reads it; None for the default one."""
    if not url:
        return None
    url = clean_url(url)
    if "://" not in url:
        url = clean_url(f"http://{url}" if ":" in url.rpartition("]")[2] else f"http://{url}:11434")
    scheme, host, path, query, _ = urlsplit(url)
    name, colon, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    if not name:
        host = f"localhost{colon}{port}"
    url = urlunsplit((scheme, host, path, query, ""))
    return None if url == _OLLAMA_URL else url


def ollama(
    model: Any,
    *,
    dimensions: int | None = None,
    num_ctx: int | None = None,
    options: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    document_prefix: str | None = None,
    query_prefix: str | None = None,
    **more: Any,
) -> Identity:
    """Identify a model of Ollama.

    `num_ctx`, the tokens beyond which a text is cut, may also be one of the `options` of the model; those that only
    sample or choose hardware do not count. The endpoint may have any spelling that Ollama's client takes.
    """
    counting = {name: value for name, value in (options or {}).items() if name not in _OLLAMA_NOISE}
    in_options = counting.pop("num_ctx", None)
    parameters = {
        "dimensions": dimensions,
        "num_ctx": num_ctx or in_options,
        "endpoint": ollama_url(endpoint),
        "document_prefix": document_prefix,
        "query_prefix": query_prefix,
        **more,
    }
    model = model.removesuffix(":latest") if isinstance(model, str) else model
    symmetric = (document_prefix or "") == (query_prefix or "")
    return identity_of("ollama", model, {**apart(counting, parameters), **parameters}, symmetric=symmetric)


def cohere(
    model: Any,
    *,
    embedding_type: str = "float",
    truncate: str | None = "END",
    input_type: str | None = None,
    endpoint: str | None = None,
    **more: Any,
) -> Identity:
    """Identify a model of Cohere, whose vectors have numbers of the type `embedding_type`."""
    parameters = {
        "embedding_type": unless("float", embedding_type),
        "truncate": unless("END", truncate),
        "input_type": input_type,
        "endpoint": _foreign(endpoint, hosts=("api.cohere.com", "api.cohere.ai")),
        **more,
    }
    return identity_of("cohere", model, parameters, symmetric=input_type is not None)


def voyage(
    model: Any,
    *,
    dimensions: int | None = None,
    truncate: bool | None = True,
    output_dtype: str | None = "float",
    input_type: str | None = None,
    endpoint: str | None = None,
    **more: Any,
) -> Identity:
    """Identify a model of Voyage; see `voyage_not_cacheable`. An `input_type` of "none" says that none is sent."""
    parameters = {
        "dimensions": dimensions,
        "truncate": unless(True, truncate),
        "output_dtype": unless("float", output_dtype),
        "input_type": input_type,
        "endpoint": _foreign(endpoint, ("https://api.voyageai.com/v1",)),
        **more,
    }
    exact = output_dtype in (None, "float")
    return identity_of("voyage", model, parameters, symmetric=input_type is not None, exact=exact)


def voyage_not_cacheable(model: Any) -> str:
    """Return why vectors of a model must not be cached; empty if they may be."""
    return "contextualised vectors depend on the other texts of the call" if "context" in str(model) else ""


def bedrock_family(model: Any) -> str:
    """Return who made a model; a region in front of its name is not it: `us.cohere.embed-v4:0`."""
    return re.sub(r"^(?i:us|us-gov|eu|apac|au|jp|sa|amer|global)\.", "", str(model)).partition(".")[0]


def is_amazon(endpoint: str | None) -> bool:
    """Return whether a URL is one of Bedrock's own, as None is; anybody's gateway may be elsewhere at Amazon."""
    return not endpoint or is_providers_own(endpoint)


def bedrock(
    model: Any,
    *,
    family: str | None = None,
    dimensions: int | None = None,
    normalize: bool | None = None,
    request: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    **more: Any,
) -> Identity:
    """Identify a model on Bedrock, or an inference profile.

    The `family` is who made the model, None if its name says so. Of Cohere's models only the newest know `dimensions`.
    """
    sent = request or {}
    guessed = bedrock_family(model)
    family = family or guessed
    cohere_model = family == "cohere"
    ignored = cohere_model and "cohere.embed-v4" not in str(model)
    parameters = {
        "dimensions": None if ignored else dimensions,
        "normalize": normalize or None,
        "model_kwargs": sent,
        "model_provider": unless(guessed, family),
        "endpoint": None if is_amazon(endpoint) else endpoint,
        **more,
    }
    return identity_of("bedrock", model, parameters, symmetric=not cohere_model or "input_type" in sent)


def google(
    model: Any,
    *,
    vertex: bool = False,
    dimensions: int | None = None,
    task: str | None = None,
    endpoint: str | None = None,
    api_version: str | None = None,
    project: str | None = None,
    location: str | None = None,
    routed_by: str | None = None,
    **more: Any,
) -> Identity:
    """Identify a model of Google, with or without `models/` in front of its name.

    With `vertex` it is a model on Vertex AI, where the same name may be another version, and a name with `models/` in
    front of it is a model of the project.
    """
    model = model.removeprefix("models/") if isinstance(model, str) and not vertex else model
    url = _foreign(endpoint, hosts=("googleapis.com",))
    parameters = {
        "dimensions": dimensions,
        "task": task,
        "endpoint": url,
        # Google has the same models in all versions of its interface, for all who pay and in all its locations. A
        # gateway may read what it likes from them, since they are in the URL.
        "api_version": unless("v1beta1" if vertex else "v1beta", api_version) if url else None,
        "project": project if url and vertex else None,
        "location": location if url and vertex else None,
        "routed_by": routed_by if url else None,
        **more,
    }
    return identity_of("google-vertex" if vertex else "google-genai", model, parameters, symmetric=bool(task))


def mistral(model: Any, *, endpoint: str | None = None, dimensions: int | None = None) -> Identity:
    """Identify a model of Mistral."""
    url = _foreign(endpoint, ("https://api.mistral.ai/v1",))
    return identity_of("mistral", model, {"endpoint": url, "dimensions": dimensions}, symmetric=True)


def nomic(
    model: Any,
    *,
    dimensions: int | None = None,
    inference_mode: str | None = "remote",
    endpoint: str | None = None,
    document_task: str | None = "search_document",
    query_task: str | None = "search_query",
) -> Identity:
    """Identify a model of Nomic; in the `inference_mode` "local" it is another, smaller model without an endpoint."""
    local = inference_mode == "local"
    parameters = {
        "dimensions": dimensions,
        "inference_mode": unless("remote", inference_mode),
        "document_task": unless("search_document", document_task),
        "query_task": unless("search_query", query_task),
        "endpoint": None if local else _foreign(endpoint, ("https://api-atlas.nomic.ai",)),
    }
    return identity_of("nomic", model, parameters, symmetric=document_task == query_task)


def fireworks(
    model: Any,
    *,
    dimensions: int | None = None,
    request: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    symmetric: bool = True,
    **more: Any,
) -> Identity:
    """Identify a model of Fireworks, which speaks OpenAI's protocol; see `openai`."""
    model, parameters = requested(model, dimensions, request)
    parameters |= {"endpoint": _foreign(endpoint, ("https://api.fireworks.ai/inference/v1",)), **more}
    return identity_of("fireworks", model, parameters, symmetric=symmetric)


def together(
    model: Any,
    *,
    dimensions: int | None = None,
    request: Mapping[str, Any] | None = None,
    query: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    **more: Any,
) -> Identity:
    """Identify a model of Together, which speaks OpenAI's protocol; see `openai`."""
    model, parameters = requested(model, dimensions, request, query)
    parameters |= {"endpoint": _foreign(endpoint, hosts=("api.together.xyz", "api.together.ai")), **more}
    return identity_of("together", model, parameters, symmetric=True)


def azure_ai(
    model: Any,
    *,
    endpoint: str | None,
    dimensions: int | None = None,
    request: Mapping[str, Any] | None = None,
    symmetric: bool = True,
    **more: Any,
) -> Identity:
    """Identify a model behind the inference API of Azure AI; an endpoint with one model need not name it.

    Raises:
        UnclearSettingError: There is no endpoint.
    """
    if not endpoint:
        msg = "neither its client nor its field `endpoint` shows an endpoint"
        raise UnclearSettingError(msg)
    parameters = {"endpoint": clean_url(endpoint), "dimensions": dimensions, "model_kwargs": request, **more}
    return identity_of("azure-ai", model or "default", parameters, symmetric=symmetric)


def nvidia(
    model: Any, *, dimensions: int | None = None, truncate: str | None = "NONE", endpoint: str | None = None
) -> Identity:
    """Identify a model of NVIDIA, in its cloud or in a self-hosted NIM."""
    parameters = {
        "dimensions": dimensions,
        "truncate": unless("NONE", truncate),
        "endpoint": _foreign(endpoint, hosts=("api.nvidia.com",)),
    }
    return identity_of("nvidia", model, parameters)


def upstage(
    model: Any,
    *,
    dimensions: int | None = None,
    request: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    **more: Any,
) -> Identity:
    """Identify a model of Upstage, whose role is a suffix of its name."""
    model, parameters = requested(str(model or ""), dimensions, request)
    official = ("https://api.upstage.ai/v1", "https://api.upstage.ai/v1/solar")
    parameters |= {"endpoint": _foreign(endpoint, official), **more}
    return identity_of("upstage", model.replace("-query", "").replace("-passage", ""), parameters)


def jina(
    model: Any,
    *,
    dimensions: int | None = None,
    task: str | None = None,
    document_encoding: str = "float",
    query_encoding: str = "float",
    endpoint: str | None = None,
) -> Identity:
    """Identify a model of Jina, with the types of numbers that it is asked for; without a task, none is sent."""
    symmetric = document_encoding == query_encoding
    parameters = {
        "dimensions": dimensions,
        "task": task,
        "encoding": unless("float", document_encoding),
        "query_encoding": None if symmetric else query_encoding,
        "endpoint": _foreign(endpoint, ("https://api.jina.ai/v1",)),
    }
    return identity_of("jina", model, parameters, symmetric=symmetric)


def watsonx(model: Any, *, truncate_tokens: int | None = None, endpoint: str | None = None) -> Identity:
    """Identify a model of IBM watsonx, whose regions serve the same models; texts are cut after `truncate_tokens`."""
    parameters = {
        "truncate_tokens": truncate_tokens,
        "endpoint": _foreign(endpoint, hosts=("ml.cloud.ibm.com",)),
    }
    return identity_of("watsonx", model, parameters, symmetric=True)


def twelvelabs(model: Any) -> Identity:
    """Identify a model of TwelveLabs."""
    return identity_of("twelvelabs", model, {}, symmetric=True)
