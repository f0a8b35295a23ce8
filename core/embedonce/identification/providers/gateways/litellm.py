"""What LiteLLM makes of a call: which provider it asks, for which model, and where.

It reads a part of that at each call: from its own variables, and from the environment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from embedonce.identification.fields.held import settled
from embedonce.identification.known_classes import Description, identity_of, in_host
from embedonce.identification.providers.hosted import together
from embedonce.identification.providers.openai_protocol import azure_openai, one_vocabulary, openai
from embedonce.identification.routing.headers import routed_by
from embedonce.identification.settings.paths import Env, Global, Paths, group
from embedonce.identification.settings.plain import UnclearSettingError, clean_url, plain
from embedonce.remedies import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.identity import Identity

# Models that need no provider in front of their names.
_OF_OPENAI = ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002", "text-embedding-ada-002-v2")
# What their routes send is what OpenAI's own client sends to the same URL.
_LIKE_OPENAI = ("openai", "litellm_proxy", "hosted_vllm", "openai_like")
# These arguments are read here one by one, or change no vector.
_READ = """
aembedding api_base api_key api_version azure_ad_token azure_ad_token_provider client_id client_secret
custom_llm_provider dimensions drop_params encoding_format extra_body extra_headers headers input input_type
litellm_call_id litellm_logging_obj litellm_metadata litellm_session_id litellm_trace_id logger_fn max_retries metadata
model no-log num_retries organization request_timeout shared_session ssl_verify stream_timeout tags tenant_id timeout
user verbose
"""
# Other models or servers may answer a call with one of these.
_LEADS_ELSEWHERE = """
api_type azure base_url cache caching client context_window_fallback_dict deployment_id fallbacks
litellm_credential_name mock_response model_list use_litellm_proxy
"""
_IS_READ, _IS_UNCLEAR = frozenset(_READ.split()), frozenset(_LEADS_ELSEWHERE.split())


class _Bases(NamedTuple):
    """The URLs that the environment holds, by LiteLLM's names of the providers."""

    azure: Any = Env("AZURE_API_BASE")
    azure_ai: Any = Env("AZURE_AI_API_BASE")
    bedrock: Any = Env("AWS_BEDROCK_RUNTIME_ENDPOINT")
    cohere: Any = Env("COHERE_API_BASE")
    gemini: Any = Env("GEMINI_API_BASE")
    hosted_vllm: Any = Env("HOSTED_VLLM_API_BASE")
    jina_ai: Any = Env("JINA_AI_API_BASE")
    litellm_proxy: Any = Env("LITELLM_PROXY_API_BASE")
    mistral: Any = Env("MISTRAL_API_BASE")
    nvidia_nim: Any = Env("NVIDIA_NIM_API_BASE")
    ollama: Any = Env("OLLAMA_API_BASE")
    openai: Any = Env("OPENAI_BASE_URL")
    openai_like: Any = Env("OPENAI_LIKE_API_BASE")
    together_ai: Any = Env("TOGETHER_AI_API_BASE")
    vertex_ai: Any = Env("VERTEXAI_API_BASE")
    voyage: Any = Env("VOYAGE_API_BASE")


class _OtherBases(NamedTuple):
    """Second names of such variables, which count where the first one is not set."""

    mistral: Any = Env("MISTRAL_AZURE_API_BASE")
    openai: Any = Env("OPENAI_API_BASE")
    vertex_ai: Any = Env("VERTEX_API_BASE")


class LiteLLM(NamedTuple):
    """What LiteLLM reads at each call besides its arguments."""

    api_base: Any = Global("litellm.api_base")
    cache: Any = Global("litellm.cache")
    aliases: Any = Global("litellm.model_alias_map")
    known_endpoints: Any = Global("litellm.openai_compatible_endpoints")
    secret_manager: Any = Global("litellm.secret_manager_client")
    uses_proxy: Any = Global("litellm.use_litellm_proxy")
    shall_use_proxy: Any = Env("USE_LITELLM_PROXY")
    encoding_format: Any = Env("LITELLM_DEFAULT_EMBEDDING_ENCODING_FORMAT")
    bases: _Bases = group(_Bases)
    other_bases: _OtherBases = group(_OtherBases)

    @classmethod
    def now(cls) -> LiteLLM:
        """Return what it would read now."""
        found: LiteLLM = _PATHS.called_with(_PATHS.values(None))
        return found

    def described(self, documents: Mapping[str, Any], queries: Mapping[str, Any] | None = None) -> Description:
        """Describe calls of `litellm.embedding`.

        Args:
            documents: The arguments of a call, those that are None left out or not.
            queries: Those of a call for queries, which may have another `input_type`; None if they are the same.

        Raises:
            UnclearSettingError: They do not tell which model answers.
        """
        if self.cache is not None:
            reason = "`litellm.cache` is set, which may return vectors of other servers; set it to None"
            return Description(None, not_cacheable=reason)
        given = {name: value for name, value in documents.items() if value is not None}
        unclear = sorted(name for name in _IS_UNCLEAR & given.keys() if given[name])
        if unclear:
            msg = f"another model or server may answer because of its argument `{unclear[0]}`"
            raise UnclearSettingError(msg)
        types = given.get("input_type"), (documents if queries is None else queries).get("input_type")
        provider, model = self.route(given)
        identity = self._identity(provider, model, given, symmetric=types[0] == types[1])
        others = {name: value for name, value in given.items() if name not in _IS_READ and name not in _IS_UNCLEAR}
        identity = identity.with_parameters(
            {
                **plain({"input_type": types[0] if types[0] == types[1] else list(types)}),
                "alias": (self.aliases or {}).get(given["model"]),
                "litellm": settled(others),
            }
        )
        return Description(identity)

    def route(self, given: Mapping[str, Any]) -> tuple[str, str]:
        """Return the provider of a call, and the model that it is asked for.

        Raises:
            UnclearSettingError: The arguments do not tell.
        """
        model, provider = given.get("model"), given.get("custom_llm_provider")
        if not isinstance(model, str) or not model:
            msg = "its model is not a name"
            raise UnclearSettingError(msg)
        if self.uses_proxy or str(self.shall_use_proxy).lower() == "true":
            return "litellm_proxy", model.removeprefix("litellm_proxy/")
        if provider:
            return str(provider), model.removeprefix(f"{provider}/")
        provider, slash, name = model.partition("/")
        if slash:
            return provider, name
        if model not in _OF_OPENAI:
            msg = f"the name of its model, {shown(model)}, does not say whose it is; write it as `provider/model`"
            raise UnclearSettingError(msg)
        # Without a provider, the URL of one that LiteLLM knows decides how the request is made.
        base = str(given.get("api_base") or "")
        hosts = [urlsplit(each if "://" in each else f"//{each}").hostname for each in self.known_endpoints or ()]
        return ("by URL" if base and in_host(clean_url(base), *filter(None, hosts)) else "openai"), model

    def _identity(self, provider: str, model: str, given: Mapping[str, Any], *, symmetric: bool) -> Identity:
        endpoint = self._endpoint(provider, given)
        dimensions, encoding = given.get("dimensions"), given.get("encoding_format") or self.encoding_format
        encoding = None if encoding in ("float", "base64", "none") else encoding
        headers = {**dict(given.get("headers") or {}), **dict(given.get("extra_headers") or {})}
        body = given.get("extra_body")
        request = {name: value for name, value in (("encoding_format", encoding), ("extra_body", body)) if value}
        sent: dict[str, Any] = {"dimensions": dimensions, "request": request, "routed_by": routed_by(headers, endpoint)}
        if provider == "azure":
            return azure_openai(model, url=endpoint, exact=one_vocabulary(model), symmetric=symmetric, **sent)
        if dimensions is None or _sends_dimensions(provider, model):
            if provider in _LIKE_OPENAI:
                return openai(model, endpoint=endpoint, symmetric=symmetric, **sent)
            if provider == "together_ai":
                return replace(together(model, endpoint=endpoint, **sent), symmetric=symmetric)
        parameters = {"endpoint": endpoint, **sent, "request": None, "model_kwargs": request}
        if provider not in _LOOKS_FIRST and (not given.get("api_base") or provider == "ollama"):
            # Which of them wins, if any, differs from provider to provider.
            bases = self.api_base, *self._in_environment(provider)
            parameters["api_bases"] = list(bases) if any(bases) else None
            parameters["routed_by"] = routed_by(headers, next((str(each) for each in (endpoint, *bases) if each), None))
        return identity_of("litellm", f"{provider}/{model}", parameters, symmetric=symmetric)

    def _in_environment(self, provider: str) -> tuple[Any, Any]:
        return getattr(self.bases, provider, None), getattr(self.other_bases, provider, None)

    def _endpoint(self, provider: str, given: Mapping[str, Any]) -> str | None:
        """Return the URL that requests go to; None for the provider's own, or if it is not known which one wins."""
        base = given.get("api_base")
        if base:
            return str(base)
        if self.secret_manager is not None:
            msg = "LiteLLM may read its URL from a secret manager; pass `api_base`"
            raise UnclearSettingError(msg)
        if provider not in _Bases._fields:
            msg = f"where LiteLLM finds the URL of the provider {shown(provider)} is not known; pass `api_base`"
            raise UnclearSettingError(msg)
        found = {"litellm": self.api_base, "environment": next(filter(None, self._in_environment(provider)), None)}
        url = next((found[each] for each in _LOOKS_FIRST.get(provider, ()) if found[each]), None)
        if url is None and provider in ("azure", "hosted_vllm", "litellm_proxy", "openai_like"):
            msg = f"neither `api_base` nor the environment holds a URL for its provider, {shown(provider)}"
            raise UnclearSettingError(msg)
        return url if url is None else str(url)


_PATHS = Paths(LiteLLM)


# Where LiteLLM looks for the URL of a call that names none, by provider.
_USUALLY = ("litellm", "environment")
_LOOKS_FIRST = {
    **dict.fromkeys(("azure", "hosted_vllm", "openai", "openai_like"), _USUALLY),
    "litellm_proxy": ("environment", "litellm"),
    "together_ai": ("environment",),
}


def _sends_dimensions(provider: str, model: str) -> bool:
    """Return whether a number of dimensions is sent in any case; LiteLLM may be told to drop it."""
    return provider in ("litellm_proxy", "hosted_vllm") or (provider == "openai" and "text-embedding-3" in model)
