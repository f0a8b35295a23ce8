"""What is known of providers, so that adapters of all frameworks give the same model the same namespace.

Each function turns a provider's settings into an `Identity`. An adapter reads the settings from its framework's class
and says what that class makes of the text. A setting at the provider's default is left out of the identity.
"""

from embedonce.identification.providers.hosted import (
    bedrock,
    bedrock_family,
    cohere,
    fireworks,
    google,
    huggingface_inference,
    is_amazon,
    jina,
    mistral,
    nomic,
    nvidia,
    ollama,
    upstage,
    voyage,
    voyage_not_cacheable,
)
from embedonce.identification.providers.local import (
    encode_settings,
    fastembed,
    instructor,
    load_settings,
    loaded,
    own_limit_or,
    prefixed,
    sentence_transformers,
    sentence_transformers_not_cacheable,
    settings,
)
from embedonce.identification.providers.openai import azure_openai, is_official, one_vocabulary, openai, requested

__all__ = [
    "azure_openai",
    "bedrock",
    "bedrock_family",
    "cohere",
    "encode_settings",
    "fastembed",
    "fireworks",
    "google",
    "huggingface_inference",
    "instructor",
    "is_amazon",
    "is_official",
    "jina",
    "load_settings",
    "loaded",
    "mistral",
    "nomic",
    "nvidia",
    "ollama",
    "one_vocabulary",
    "openai",
    "own_limit_or",
    "prefixed",
    "requested",
    "sentence_transformers",
    "sentence_transformers_not_cacheable",
    "settings",
    "upstage",
    "voyage",
    "voyage_not_cacheable",
]
