"""What an author of an adapter needs: find out what an embedder computes, without calling it.

A `Describer` knows the classes of a framework, an `IdentityTracker` follows one embedder and asks a cache for it, and
`providers` names the models of known providers alike for every framework. No framework is imported.
"""

from embedonce.identification import providers
from embedonce.identification.describer import Describer
from embedonce.identification.fields import Same, fields_of, frozen, without_underscores
from embedonce.identification.known_classes import (
    Description,
    KnownClass,
    Values,
    endpoint_of,
    identity_of,
    in_host,
    line_separators_to_spaces,
    newlines_to_spaces,
    unless,
)
from embedonce.identification.settings import (
    UnclearSettingError,
    clean_url,
    is_operational,
    is_skipped,
    local_files,
    plain,
)
from embedonce.identification.tracker import EmbedRequest, IdentityTracker, describe_with
from embedonce.secrets import is_secret

__all__ = [
    "Describer",
    "Description",
    "EmbedRequest",
    "IdentityTracker",
    "KnownClass",
    "Same",
    "UnclearSettingError",
    "Values",
    "clean_url",
    "describe_with",
    "endpoint_of",
    "fields_of",
    "frozen",
    "identity_of",
    "in_host",
    "is_operational",
    "is_secret",
    "is_skipped",
    "line_separators_to_spaces",
    "local_files",
    "newlines_to_spaces",
    "plain",
    "providers",
    "unless",
    "without_underscores",
]
