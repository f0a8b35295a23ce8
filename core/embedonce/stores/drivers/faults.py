"""What an exception of a file system, cloud or driver means: the only place that knows their errors.

Nothing is imported from them: errors are recognized by their codes, class names and `errno`.
"""

from __future__ import annotations

import errno
import inspect
from typing import TYPE_CHECKING, Any, Literal

from embedonce.errors import StoreError
from embedonce.runtime.signals import let_through, raised_by_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Fault = Literal[
    "gone", "short", "denied", "missing", "timeout", "busy", "unavailable", "full", "read_only", "process", "broken"
]

_MEANINGS: dict[Fault, tuple[str, str]] = {
    "gone": ("a file is gone", "it was merged away or deleted meanwhile; try again"),
    "short": ("a file is not as long as its name says", "verify the store"),
    "denied": (
        "access was denied",
        "check that there are credentials, that they have not expired, and that they may list, read, write and delete",
    ),
    "missing": ("the bucket or container does not exist there", "create it, or check its name, region and endpoint"),
    "timeout": (
        "there was no answer in time",
        "check the network and the endpoint; longer timeouts go into storage_options",
    ),
    "busy": ("it is overloaded, or limits the rate of requests", "try again later, or with fewer workers"),
    "unavailable": ("it cannot be reached or has failed", "check the network and the endpoint, and try again later"),
    "full": ("there is no space left", "free some, or raise the quota"),
    "read_only": ("it can only be read", 'use mode="read_only", or give a place that you may write'),
    "process": ("this process could not ask it", "see the cause; the place has no part in it"),
    "broken": ("it answered with something unexpected", "check the URL and storage_options"),
}


class UnreadableFilesError(Exception):
    """Some files of a place cannot be read, while others may be.

    Args:
        files: What was raised for each.
    """

    def __init__(self, files: Mapping[str, Exception]) -> None:
        file, self.__cause__ = next(iter(files.items()))
        others = f" and {len(files) - 1} more" if len(files) > 1 else ""
        super().__init__(f"{file}{others}: {type(self.__cause__).__name__}: {self.__cause__}")
        self.files = dict(files)


def unreadable(file: str, error: Exception) -> Exception:
    """Return what to raise for a fault of reading a file: itself if it is gone, or the fault is not of the place."""
    is_other = isinstance(error, FileNotFoundError | UnreadableFilesError) or fault_of(error) == "process"
    return error if is_other or raised_by_handler(error) else UnreadableFilesError({file: error})


def worst(faults: Sequence[Exception]) -> Exception:
    """Return what to raise for several faults: one that concerns more than some files, else all of these files."""
    files: dict[str, Exception] = {}
    for fault in faults:
        if not isinstance(fault, UnreadableFilesError):
            return fault
        files.update(fault.files)
    return UnreadableFilesError(files)


def _table(**names: str) -> dict[str, Fault]:
    return {name: fault for fault, listed in names.items() for name in listed.split()}  # type: ignore[misc]


_CODES = _table(
    # Codes of S3, Azure and Google, and of other services with the protocol of S3.
    gone="NoSuchKey NoSuchVersion NoSuchUpload BlobNotFound PathNotFound ResourceNotFound",
    short="""
        InvalidRange BadDigest InvalidDigest IncompleteBody XAmzContentSHA256Mismatch XAmzContentChecksumMismatch
        InvalidMd5 Md5Mismatch""",
    denied="""
        AccessDenied AccountProblem AllAccessDisabled AuthorizationHeaderMalformed CredentialsNotSupported
        CrossLocationLoggingProhibited IllegalLocationConstraintException InvalidAccessKeyId InvalidObjectState
        InvalidPayer InvalidSecurity InvalidToken MissingSecurityElement MissingSecurityHeader NotSignedUp
        SignatureDoesNotMatch UnauthorizedAccess AccountIsDisabled AuthenticationFailed
        AuthorizationFailure AuthorizationPermissionMismatch AuthorizationProtocolMismatch
        AuthorizationResourceTypeMismatch AuthorizationServiceMismatch AuthorizationSourceIPMismatch
        InsufficientAccountPermissions InvalidAuthenticationInfo NoAuthenticationInformation
        PublicAccessNotPermitted RequestTimeTooSkewed
        UnauthorizedBlobOverwrite BlobArchived BlobBeingRehydrated
        ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired""",
    missing="""
        NoSuchBucket InvalidBucketName PermanentRedirect Redirect ContainerNotFound ContainerBeingDeleted
        ContainerDisabled FilesystemNotFound FilesystemBeingDeleted""",
    timeout="RequestTimeout RequestTimeoutException OperationTimedOut",
    busy="""
        SlowDown ServiceUnavailable OperationAborted RestoreAlreadyInProgress Throttling ThrottlingException
        RequestLimitExceeded TooManyRequests BandwidthLimitExceeded ServerBusy
        SystemInUse SnapshotOperationRateExceeded AccountBeingCreated""",
    unavailable="InternalError InternalFailure ServerError TemporaryRedirect",
    full="QuotaExceeded XMinioStorageFull InsufficientStorage",
)

_STATUSES: dict[int, Fault] = {
    int(status): fault
    for status, fault in _table(
        gone="404 410",
        short="416",
        denied="401 403 407",
        timeout="408 504",
        busy="409 425 429 503",
        missing="301",
        unavailable="307 500 502",
        full="507",
    ).items()
}

_CLASSES = _table(
    # Package and class; the most derived class that is listed decides.
    gone="builtins.FileNotFoundError s3fs.FileExpired azure.ResourceNotFoundError",
    short="""
        botocore.FlexibleChecksumError botocore.ChecksumError requests.ContentDecodingError gcsfs.ChecksumError
        google.DataLoss builtins.EOFError""",
    denied="""
        builtins.PermissionError botocore.NoCredentialsError botocore.PartialCredentialsError
        botocore.CredentialRetrievalError botocore.UnknownCredentialError botocore.ProfileNotFound
        botocore.TokenRetrievalError botocore.NoAuthTokenError botocore.UnknownTokenProviderError botocore.SSOError
        botocore.LoginError botocore.RefreshWithMFAUnsupportedError azure.ClientAuthenticationError
        google.GoogleAuthError""",
    timeout="""
        builtins.TimeoutError asyncio.TimeoutError concurrent.TimeoutError socket.timeout
        botocore.ConnectTimeoutError botocore.ReadTimeoutError
        aiohttp.ServerTimeoutError azure.ServiceRequestTimeoutError azure.ServiceResponseTimeoutError
        requests.Timeout requests.ConnectTimeout urllib3.TimeoutError fsspec.FSTimeoutError
        google.TimeoutError google.RetryError google.TransferStalledError""",
    busy="builtins.BlockingIOError botocore.CapacityNotAvailableError",
    missing="embedonce.MissingPlaceError",
    process="blockbuster.BlockingError builtins.MemoryError builtins.RecursionError",
    unavailable="""
        aiohttp.ClientPayloadError aiohttp.HttpProcessingError aiohttp.UploadAbortedError
        botocore.IncompleteReadError botocore.ResponseStreamingError azure.IncompleteReadError
        requests.ChunkedEncodingError requests.RetryError
        builtins.ConnectionError builtins.InterruptedError socket.gaierror socket.herror ssl.SSLError
        http.HTTPException urllib.URLError
        urllib3.PoolError urllib3.ProtocolError urllib3.NewConnectionError urllib3.ProxyError urllib3.SSLError
        botocore.HTTPClientError botocore.ConnectionError botocore.SSLError botocore.ResponseParserError
        botocore.MetadataRetrievalError
        aiohttp.ClientConnectionError aiohttp.ClientHttpProxyError azure.ServiceRequestError
        azure.ServiceResponseError requests.ConnectionError google.TransportError google.ClientCertError
        google.ServerError google.Cancelled""",
)

_ERRNOS: dict[int, Fault] = {
    value: fault
    for name, fault in _table(
        gone="ENOENT ESTALE EREMCHG",
        denied="EACCES EPERM EKEYEXPIRED EKEYREJECTED EKEYREVOKED ENOKEY",
        timeout="ETIMEDOUT ETIME",
        busy="EBUSY EAGAIN EMFILE ENFILE ENOLCK EDEADLK ETXTBSY ENOBUFS ENOMEM EUSERS EALREADY EINPROGRESS",
        unavailable="""
            EIO EREMOTEIO ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ENOTCONN EHOSTUNREACH EHOSTDOWN ENETUNREACH
            ENETDOWN ENETRESET ESHUTDOWN EADDRNOTAVAIL ECOMM ENOLINK ENXIO ENODEV ENOMEDIUM EINTR ENODATA EPROTO
            EBADMSG EUCLEAN EADDRINUSE ECANCELED ENONET ERESTART""",
        full="ENOSPC EDQUOT EFBIG",
        read_only="EROFS",
    ).items()
    if (value := getattr(errno, name, None)) is not None
}


_OF_A_POOL = ("cannot schedule new futures", "can't start new thread", "can't create new thread")
"""How errors begin that Python raises where no thread can be had."""


def fault_of(error: BaseException) -> Fault:
    """Return what an exception of a file system or driver means.

    The code that a service has sent takes precedence over the exception that a driver makes of it: drivers report a
    missing bucket, for instance, as a missing file.
    """
    if raised_by_handler(error):
        return "process"
    chain = list(_chain(error))
    for fault in map(_of_code, chain):
        if fault is not None:
            return fault
    for link in chain:
        fault = _of_status(link) or _of_class(link) or _of_errno(link)
        if fault is not None:
            return fault
    return "broken"


def store_error(
    error: BaseException, action: str, where: str, scrub: Callable[[str], str] = str, note: str = ""
) -> StoreError:
    """Return the error for callers: what happened, where, and the remedy.

    Args:
        error: What was raised.
        action: What was tried, such as `read`.
        where: The place, without secrets.
        scrub: Removes secrets from a text.
        note: A further remedy.

    Raises:
        Exception: The given one, if a handler of a signal has raised it.
    """
    let_through(error)
    if isinstance(error, StoreError):
        return error
    fault = fault_of(error)
    happened, remedy = _MEANINGS[fault]
    is_partial = isinstance(error, UnreadableFilesError)
    cause = f"{type(error).__name__}: {error}" if _text(error) else type(error).__name__
    if is_partial:
        cause = str(error)
    message = f"cannot {action} {where}: {happened} ({scrub(cause)}); {note or remedy}"
    made = StoreError(message)
    made.fault, made.is_partial = fault, is_partial
    if all(scrub(text) == text for text in map(_text, _chain(error))):
        made.__cause__ = error
    # Otherwise a traceback would print the secrets that `scrub` has removed.
    made.__suppress_context__ = True
    return made


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ if link.__cause__ is not None or link.__suppress_context__ else link.__context__


def _text(error: BaseException) -> str:
    try:
        return f"{error} {error!r}" if str(error) else ""
    except Exception:
        return ""


def _of_code(error: BaseException) -> Fault | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = str(response.get("Error", {}).get("Code", ""))
        status = code if code.isdigit() else str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        # s3fs turns an unknown code into EINVAL or EIO, which is less specific.
        return _CODES.get(code) or (_STATUSES.get(int(status), "broken") if status.isdigit() else "broken")
    # Azure's codes are members of an enumeration.
    named = getattr(error, "error_code", None)
    return _CODES.get(str(getattr(named, "value", named)))


def _of_status(error: BaseException) -> Fault | None:
    for owner in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            # Some are properties that warn about their removal, next to an attribute with the same value.
            status: Any = inspect.getattr_static(owner, name, None)
            status = getattr(status, "value", status)
            if isinstance(status, str) and status.isdigit():
                status = int(status)
            if isinstance(status, int) and status in _STATUSES:
                return _STATUSES[status]
    if type(error) is RuntimeError and str(error).startswith(_OF_A_POOL):
        return "process"
    # gcsfs raises this for a 403.
    return "denied" if type(error) is OSError and str(error).startswith("Forbidden: ") else None


def _of_class(error: BaseException) -> Fault | None:
    for kind in type(error).__mro__:
        fault = _CLASSES.get(f"{kind.__module__.partition('.')[0]}.{kind.__name__}")
        if fault is not None:
            return fault
    return None


def _of_errno(error: BaseException) -> Fault | None:
    return _ERRNOS.get(error.errno) if isinstance(error, OSError) and error.errno is not None else None
