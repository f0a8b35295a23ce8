"""What an author of an adapter needs: find out what an embedder computes, without calling it.

A `Describer` knows the classes of a framework, an `IdentityTracker` follows one embedder and asks a cache for it, and
`providers` names the models of known providers alike for every framework. No framework is imported.
"""

from embedonce.identification import providers
from embedonce.identification.describer import Describer
from embedonce.identification.fields.frozen import Same, frozen
from embedonce.identification.fields.held import fields_of, without_underscores
from embedonce.identification.fields.ignored import ignored
from embedonce.identification.known_classes import (
    Description,
    KnownClass,
    endpoint_of,
    identity_of,
    in_host,
    line_separators_to_spaces,
    newlines_to_spaces,
    unless,
)
from embedonce.identification.routing.headers import is_providers_own, query_of, routed_by, routing_headers
from embedonce.identification.sending.requests import Requests, request_size
from embedonce.identification.settings.files import local_files
from embedonce.identification.settings.names import is_operational, is_skipped
from embedonce.identification.settings.paths import At, Env, Global, Live, Urls, group
from embedonce.identification.settings.plain import UnclearSettingError, clean_url, plain
from embedonce.identification.tracker import EmbedRequest, IdentityTracker, describe_with
from embedonce.inside import attribute_inside, check_replay
from embedonce.secrets import is_secret

__all__ = [
    "At",
    "Describer",
    "Description",
    "EmbedRequest",
    "Env",
    "Global",
    "IdentityTracker",
    "KnownClass",
    "Live",
    "Requests",
    "Same",
    "UnclearSettingError",
    "Urls",
    "attribute_inside",
    "check_replay",
    "clean_url",
    "describe_with",
    "endpoint_of",
    "fields_of",
    "frozen",
    "group",
    "identity_of",
    "ignored",
    "in_host",
    "is_operational",
    "is_providers_own",
    "is_secret",
    "is_skipped",
    "line_separators_to_spaces",
    "local_files",
    "newlines_to_spaces",
    "plain",
    "providers",
    "query_of",
    "request_size",
    "routed_by",
    "routing_headers",
    "unless",
    "without_underscores",
]
