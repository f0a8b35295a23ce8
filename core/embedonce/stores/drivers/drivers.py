"""Settings for the drivers of the large clouds; nothing is assumed about other drivers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.stores.drivers.urls import schemes

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_TIMEOUT = 5
"""Seconds for making a connection."""
READ_TIMEOUT = 6
"""Seconds without a single byte of an awaited answer: an outage has to end as an error soon, not in half an hour."""
CONNECTIONS = 64
"""Most requests at once; the default of `s3fs` of 10 halves the speed of many small reads."""


@dataclass(frozen=True)
class Driver:
    """One driver.

    Attributes:
        extra: The extra of this distribution that installs it.
        credentials: Where it finds credentials that are not among its options.
        options: Makes its default options. Its own retries are off as far as options go, see `tuned`.
        tune: Sets on an instance what no option sets.
        finds_by_prefix: True if `find(parent, prefix=...)` is one listing, raises when the bucket does not exist, and
            returns nothing if no object has the prefix.
    """

    extra: str
    credentials: str
    options: Callable[[], dict[str, Any]]
    tune: Callable[[Any], None]
    finds_by_prefix: bool = False


def _s3_options() -> dict[str, Any]:
    # The retries of s3fs and botocore multiply to 125 attempts; `RemoteDirectory` retries instead, for a bounded time.
    retries = {"total_max_attempts": 1}
    timeouts = {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": READ_TIMEOUT}
    return {
        "use_listings_cache": False,
        "config_kwargs": {"max_pool_connections": CONNECTIONS, "retries": retries, **timeouts},
    }


def _gcs_options() -> dict[str, Any]:
    from aiohttp import ClientTimeout

    # Without a timeout, gcsfs waits for ever. A plain number would be a limit for the whole transfer.
    timeout = ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT)
    # It also asks another service which kind of bucket this is, by default for a minute if that does not answer.
    return {"use_listings_cache": False, "requests_timeout": timeout, "retry_timeout": float(CONNECT_TIMEOUT)}


def _azure_options() -> dict[str, Any]:
    return {"use_listings_cache": False, "connection_timeout": CONNECT_TIMEOUT, "read_timeout": READ_TIMEOUT}


def _tune_s3(fs: Any) -> None:
    fs.retries = 1


def _tune_gcs(fs: Any) -> None:
    from gcsfs.retry import retry_request

    # The number is fixed where the class is made: six attempts, half a minute.
    once = retry_request(retries=1)(type(fs)._request.__wrapped__)
    fs._request = once.__get__(fs)


def _tune_azure(fs: Any) -> None:
    # Three attempts, with pauses of a minute in all.
    fs.service_client._config.retry_policy.total_retries = 0


_S3 = Driver(
    "s3", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or an instance role", _s3_options, _tune_s3, True
)
_GCS = Driver("gcs", "GOOGLE_APPLICATION_CREDENTIALS or a service account", _gcs_options, _tune_gcs, True)
_AZURE = Driver("azure", "AZURE_STORAGE_CONNECTION_STRING or a managed identity", _azure_options, _tune_azure)
_DRIVERS = {"s3": _S3, "s3a": _S3, "gs": _GCS, "gcs": _GCS, "abfs": _AZURE, "abfss": _AZURE, "az": _AZURE}


def driver_of(scheme: str) -> Driver | None:
    """Return the driver of a scheme such as `s3`, None if the scheme is not known."""
    return _DRIVERS.get(scheme)


def driver_of_instance(fs: Any) -> Driver | None:
    """Return the driver that a file system is an instance of, None if it is not known.

    The module of its class counts too: other drivers also use the protocol name `s3`, and behave differently.
    """
    protocols = (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
    known = any(kind.__module__.partition(".")[0] in ("s3fs", "gcsfs", "adlfs") for kind in type(fs).__mro__)
    return next((driver for each in protocols if (driver := _DRIVERS.get(each))), None) if known else None


def tuned(fs: Any) -> Any:
    """Return a file system made from default options, with its retries left to `RemoteDirectory`."""
    driver = driver_of_instance(fs)
    if driver is not None:
        # This sets private names. Where they are missing, the driver only retries for longer.
        with suppress(AttributeError, ImportError):
            driver.tune(fs)
    return fs


def with_defaults(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a URL, completed by the defaults of its drivers.

    Options that the user gives, or configures in fsspec, take precedence, name by name and also inside nested
    dictionaries. In a chained URL the options of each part are under its scheme; those of the first part may also be
    at the top level.
    """
    merged = dict(options)
    named = schemes(url)
    for scheme in named:
        driver = driver_of(scheme)
        if driver is None:
            continue
        try:
            defaults = driver.options()
        except ImportError:
            # Opening the URL says which package is missing.
            continue
        given = _of_scheme(merged, scheme)
        if scheme == named[0]:
            beside = {name: value for name, value in merged.items() if name not in named}
            merged.pop(scheme, None)
            merged.update(_deep(_configured(scheme, defaults), _deep(given, beside)))
        else:
            merged[scheme] = _deep(_configured(scheme, defaults), given)
    return merged


def _of_scheme(options: Mapping[str, Any], scheme: str) -> Mapping[str, Any]:
    given = options.get(scheme)
    return given if isinstance(given, Mapping) else {}


def _configured(scheme: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return defaults, overridden by the configuration of fsspec, which fsspec itself puts below given options."""
    from fsspec.config import conf

    configured = conf.get(scheme, {})
    return _deep(defaults, {name: value for name, value in configured.items() if name in defaults})


def _deep(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _deep(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
