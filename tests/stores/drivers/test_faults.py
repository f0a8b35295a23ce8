"""Every error that a driver knows has a meaning, which was chosen: a new one fails a test here."""

from __future__ import annotations

import builtins
import errno
import importlib
import inspect
import traceback

import pytest

from embedonce import StoreError
from embedonce.errors import FormatError
from embedonce.stores.drivers import faults
from embedonce.stores.drivers.faults import fault_of, store_error

# What each exception class means when it says nothing but its name.
EXPECTED = {
    "botocore.exceptions": {
        "broken": """
            AliasConflictParameterError ApiVersionNotFoundError AwsChunkedWrapperError BaseEndpointResolverError
            BotoCoreError ClientError ConfigNotFound ConfigParseError DataNotFoundError EndpointProviderError
            EndpointResolutionError EndpointVariantError EventStreamError InfiniteLoopConfigError
            InvalidChecksumConfigError InvalidConfigError InvalidDNSNameError InvalidDefaultsMode
            InvalidEndpointConfigurationError InvalidEndpointDiscoveryConfigurationError InvalidExpressionError
            InvalidHostLabelError InvalidIMDSEndpointError InvalidIMDSEndpointModeError InvalidMaxRetryAttemptsError
            InvalidProxiesConfigError InvalidRegionError InvalidRetryConfigurationError InvalidRetryModeError
            InvalidS3AddressingStyleError InvalidS3UsEast1RegionalEndpointConfigError
            InvalidSTSRegionalEndpointsConfigError MD5UnavailableError MissingDependencyException
            MissingParametersError MissingServiceIdError NoRegionError OperationNotPageableError PaginationError
            ParamValidationError RangeError ServiceNotInRegionError StubAssertionError StubResponseError
            UnStubbedResponseError UndefinedModelAttributeError UnknownClientMethodError UnknownEndpointError
            UnknownEndpointResolutionBuiltInName UnknownFIPSEndpointError UnknownKeyError UnknownParameterError
            UnknownRegionError UnknownServiceError UnknownServiceStyle UnknownSignatureVersionError
            UnseekableStreamError UnsupportedOutpostResourceError UnsupportedS3AccesspointConfigurationError
            UnsupportedS3ArnError UnsupportedS3ConfigurationError UnsupportedS3ControlArnError
            UnsupportedS3ControlConfigurationError UnsupportedServiceProtocolsError UnsupportedSignatureVersionError
            ValidationError WaiterConfigError WaiterError
        """,
        "busy": "CapacityNotAvailableError",
        "denied": """
            CredentialRetrievalError LoginAuthorizationCodeError LoginError LoginInsufficientPermissions
            LoginRefreshRequired LoginTokenLoadError NoAuthTokenError NoCredentialsError PartialCredentialsError
            ProfileNotFound RefreshWithMFAUnsupportedError SSOError SSOTokenLoadError TokenRetrievalError
            UnauthorizedSSOTokenError UnknownCredentialError UnknownTokenProviderError
        """,
        "short": "ChecksumError FlexibleChecksumError",
        "timeout": "ConnectTimeoutError ReadTimeoutError",
        "unavailable": """
            ConnectionClosedError ConnectionError EndpointConnectionError HTTPClientError IncompleteReadError
            MetadataRetrievalError ProxyConnectionError ResponseStreamingError SSLError
        """,
    },
    "botocore.parsers": {
        "broken": "NoInitialResponseError",
        "unavailable": "ResponseParserError",
    },
    "aiohttp.client_exceptions": {
        "broken": """
            ClientError ClientResponseError ContentTypeError InvalidURL InvalidUrlClientError
            InvalidUrlRedirectClientError NonHttpUrlClientError NonHttpUrlRedirectClientError RedirectClientError
            TooManyRedirects WSMessageTypeError WSServerHandshakeError
        """,
        "timeout": "ConnectionTimeoutError ServerTimeoutError SocketTimeoutError",
        "unavailable": """
            ClientConnectionError ClientConnectionResetError ClientConnectorCertificateError ClientConnectorDNSError
            ClientConnectorError ClientConnectorSSLError ClientHttpProxyError ClientOSError ClientPayloadError
            ClientProxyConnectionError ClientSSLError ServerConnectionError ServerDisconnectedError
            ServerFingerprintMismatch UnixClientConnectorError UploadAbortedError
        """,
    },
    "aiohttp.http_exceptions": {
        "unavailable": """
            BadHttpMessage BadHttpMethod BadStatusLine ContentEncodingError ContentLengthError DecompressSizeError
            HttpBadRequest HttpProcessingError InvalidHeader InvalidURLError LineTooLong PayloadEncodingError
            TransferEncodingError
        """,
    },
    "gcsfs.retry": {
        "broken": "HttpError NonRetryableError",
        "short": "ChecksumError",
    },
    "google.auth.exceptions": {
        "denied": """
            DefaultCredentialsError GoogleAuthError InvalidOperation InvalidResource InvalidType InvalidValue
            MalformedError MutualTLSChannelError OAuthError OSError ReauthFailError ReauthSamlChallengeFailError
            RefreshError ResponseError UserAccessTokenError
        """,
        "timeout": "TimeoutError",
        "unavailable": "ClientCertError TransportError",
    },
    "google.api_core.exceptions": {
        "broken": """
            AsyncRestUnsupportedParameterError BadRequest ClientError DuplicateCredentialArgs FailedPrecondition
            GoogleAPICallError GoogleAPIError InvalidArgument LengthRequired MethodNotAllowed
            MissingStatusHeaderError NotModified OutOfRange PreconditionFailed Redirection ResumableTransferError
            ResumeIncomplete UnseekableStreamError UploadCancelledError
        """,
        "busy": "Aborted AlreadyExists Conflict ResourceExhausted ServiceUnavailable TooManyRequests",
        "denied": "Forbidden PermissionDenied Unauthenticated Unauthorized",
        "gone": "NotFound",
        "missing": "MovedPermanently",
        "short": "DataLoss RequestRangeNotSatisfiable",
        "timeout": "DeadlineExceeded GatewayTimeout RetryError TransferStalledError",
        "unavailable": """
            BadGateway Cancelled InternalServerError MethodNotImplemented ServerError TemporaryRedirect Unknown
        """,
    },
    "requests.exceptions": {
        "broken": """
            HTTPError InvalidHeader InvalidJSONError InvalidProxyURL InvalidSchema InvalidURL JSONDecodeError
            MissingSchema RequestException StreamConsumedError TooManyRedirects URLRequired UnrewindableBodyError
        """,
        "short": "ContentDecodingError",
        "timeout": "ConnectTimeout ReadTimeout Timeout",
        "unavailable": "ChunkedEncodingError ConnectionError ProxyError RetryError SSLError",
    },
    "azure.core.exceptions": {
        "broken": """
            AzureError DecodeError DeserializationError HttpResponseError ODataV4Error ResourceExistsError
            ResourceModifiedError ResourceNotModifiedError ResponseNotReadError SerializationError StreamClosedError
            StreamConsumedError TooManyRedirectsError
        """,
        "denied": "ClientAuthenticationError",
        "gone": "ResourceNotFoundError",
        "timeout": "ServiceRequestTimeoutError ServiceResponseTimeoutError",
        "unavailable": "IncompleteReadError ServiceRequestError ServiceResponseError",
    },
    "azure.identity": {
        "denied": "AuthenticationRequiredError CredentialUnavailableError",
    },
    "fsspec.exceptions": {
        "broken": "BlocksizeMismatchError",
        "timeout": "FSTimeoutError",
    },
    "s3fs.utils": {
        "gone": "FileExpired",
    },
    "urllib3.exceptions": {
        "broken": """
            BodyNotHttplibCompatible DecodeError HTTPError HeaderParsingError InvalidHeader LocationParseError
            LocationValueError ProxySchemeUnknown ProxySchemeUnsupported ResponseError TimeoutStateError
            URLSchemeUnknown UnrewindableBodyError
        """,
        "timeout": "ConnectTimeoutError ReadTimeoutError TimeoutError",
        "unavailable": """
            ClosedPoolError ConnectionError EmptyPoolError FullPoolError HostChangedError IncompleteRead
            InvalidChunkLength MaxRetryError NameResolutionError NewConnectionError PoolError ProtocolError
            ProxyError RequestError ResponseNotChunked SSLError
        """,
    },
    "http.client": {
        "unavailable": """
            BadStatusLine CannotSendHeader CannotSendRequest HTTPException ImproperConnectionState IncompleteRead
            InvalidURL LineTooLong NotConnected RemoteDisconnected ResponseNotReady UnimplementedFileMode
            UnknownProtocol UnknownTransferEncoding error
        """,
    },
    "builtins": {
        "broken": """
            ArithmeticError AssertionError AttributeError BufferError ChildProcessError EnvironmentError Exception
            FileExistsError FloatingPointError IOError ImportError IndentationError IndexError IsADirectoryError
            KeyError LookupError ModuleNotFoundError NameError NotADirectoryError NotImplementedError
            OSError OverflowError ProcessLookupError ReferenceError RuntimeError StopAsyncIteration
            StopIteration SyntaxError SystemError TabError TypeError UnboundLocalError UnicodeDecodeError
            UnicodeEncodeError UnicodeError UnicodeTranslateError ValueError ZeroDivisionError
        """,
        "busy": "BlockingIOError",
        "denied": "PermissionError",
        "gone": "FileNotFoundError",
        "process": "MemoryError RecursionError",
        "short": "EOFError",
        "timeout": "TimeoutError",
        "unavailable": """
            BrokenPipeError ConnectionAbortedError ConnectionError ConnectionRefusedError ConnectionResetError
            InterruptedError
        """,
    },
}

# Codes and numbers that mean nothing but "broken": wrong requests, which embedonce never makes, and other services.
BROKEN_S3_CODES = """
    400 405 412 501 AmbiguousGrantByEmailAddress BucketAlreadyExists BucketAlreadyOwnedByYou BucketNotEmpty
    EntityTooLarge EntityTooSmall IllegalVersioningConfigurationException IncorrectNumberOfFilesInPostRequest
    InlineDataTooLarge InvalidAddressingHeader InvalidArgument InvalidBucketState InvalidEncryptionAlgorithmError
    InvalidLocationConstraint InvalidPart InvalidPartOrder InvalidPolicyDocument InvalidRequest InvalidSOAPRequest
    InvalidStorageClass InvalidTargetBucketForLogging InvalidURI KeyTooLongError MalformedACLError
    MalformedPOSTRequest MalformedXML MaxMessageLengthExceeded MaxPostPreDataLengthExceededError MetadataTooLarge
    MethodNotAllowed MissingAttachment MissingContentLength MissingRequestBodyError NoLoggingStatusForKey
    NoSuchBucketPolicy NoSuchLifecycleConfiguration NotImplemented PreconditionFailed RequestIsNotMultiPartContent
    RequestTorrentOfBucketError TooManyBuckets UnexpectedContent UnresolvableGrantByEmailAddress
    UserKeyMustBeSpecified
"""
BROKEN_AZURE_CODES = """
    AccountAlreadyExists AppendPositionConditionNotMet BlobAccessTierNotSupportedForAccountType BlobAlreadyExists
    BlobNotArchived BlobOverwritten BlobTierInadequateForContentLength BlockCountExceedsLimit BlockListTooLong
    CannotChangeToLowerTier CannotDeleteFileOrDirectory CannotVerifyCopySource ClientCacheFlushDelay
    ConditionHeadersNotSupported ConditionNotMet ContainerAlreadyExists ContainerQuotaDowngradeNotAllowed
    ContentLengthLargerThanTierLimit ContentLengthMustBeZero CopyAcrossAccountsNotSupported CopyIdMismatch
    DeletePending DestinationPathIsBeingDeleted DirectoryNotEmpty EmptyMetadataKey FeatureVersionMismatch
    FileLockConflict FileShareProvisionedBandwidthDowngradeNotAllowed FileShareProvisionedBandwidthInvalid
    FileShareProvisionedIopsDowngradeNotAllowed FileShareProvisionedIopsInvalid FileShareProvisionedStorageInvalid
    FilesystemAlreadyExists IncrementalCopyBlobMismatch IncrementalCopyOfEarlierSnapshotNotAllowed
    IncrementalCopyOfEarlierVersionSnapshotNotAllowed IncrementalCopySourceMustBeSnapshot
    InfiniteLeaseDurationRequired InvalidBlobOrBlock InvalidBlobTier InvalidBlobType InvalidBlockId InvalidBlockList
    InvalidDestinationPath InvalidFileOrDirectoryPathName InvalidFlushPosition InvalidHeaderValue InvalidHttpVerb
    InvalidInput InvalidMarker InvalidMetadata InvalidOperation InvalidPageRange InvalidPropertyName
    InvalidQueryParameterValue InvalidRenameSourcePath InvalidResourceName InvalidSourceBlobType
    InvalidSourceBlobUrl InvalidSourceOrDestinationResourceType InvalidSourceUri InvalidUri
    InvalidVersionForPageBlobOperation InvalidXmlDocument InvalidXmlNodeValue LeaseAlreadyBroken LeaseAlreadyPresent
    LeaseIdMismatchWithBlobOperation LeaseIdMismatchWithContainerOperation LeaseIdMismatchWithLeaseOperation
    LeaseIdMissing LeaseIsAlreadyBroken LeaseIsBreakingAndCannotBeAcquired LeaseIsBreakingAndCannotBeChanged
    LeaseIsBrokenAndCannotBeRenewed LeaseLost LeaseNameMismatch LeaseNotPresentWithBlobOperation
    LeaseNotPresentWithContainerOperation LeaseNotPresentWithLeaseOperation MaxBlobSizeConditionNotMet
    MessageNotFound MessageTooLarge MetadataTooLarge MissingContentLengthHeader MissingRequiredHeader
    MissingRequiredQueryParameter MissingRequiredXmlNode MultipleConditionHeadersNotSupported NoPendingCopyOperation
    OperationNotAllowedOnIncrementalCopyBlob OutOfRangeInput OutOfRangeQueryParameterValue ParentNotFound
    PathAlreadyExists PathConflict PendingCopyOperation PopReceiptMismatch PreviousSnapshotCannotBeNewer
    PreviousSnapshotNotFound PreviousSnapshotOperationNotSupported QueueAlreadyExists QueueBeingDeleted
    QueueDisabled QueueNotEmpty QueueNotFound ReadOnlyAttribute RenameDestinationParentPathNotFound
    RequestBodyTooLarge RequestUrlFailedToParse ResourceAlreadyExists ResourceTypeMismatch
    SequenceNumberConditionNotMet SequenceNumberIncrementTooLarge ShareAlreadyExists ShareBeingDeleted ShareDisabled
    ShareHasSnapshots ShareNotFound ShareSnapshotCountExceeded ShareSnapshotInProgress ShareSnapshotNotFound
    ShareSnapshotOperationNotSupported SharingViolation SnapshotCountExceeded SnapshotsPresent SourceConditionNotMet
    SourcePathIsBeingDeleted SourcePathNotFound TargetConditionNotMet TotalSharesCountExceedsAccountLimit
    TotalSharesProvisionedBandwidthExceedsAccountLimit TotalSharesProvisionedCapacityExceedsAccountLimit
    TotalSharesProvisionedIopsExceedsAccountLimit UnsupportedHeader UnsupportedHttpVerb UnsupportedQueryParameter
    UnsupportedRestVersion UnsupportedXmlNode
"""
BROKEN_ERRNOS = """
    E2BIG EADV EAFNOSUPPORT EBADE EBADF EBADFD EBADR EBADRQC EBADSLT EBFONT ECHILD ECHRNG EDESTADDRREQ EDOM EDOTDOT
    EEXIST EFAULT EIDRM EILSEQ EINVAL EISCONN EISDIR EISNAM EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD ELIBEXEC
    ELIBMAX ELIBSCN ELNRNG ELOOP EMEDIUMTYPE EMLINK EMSGSIZE EMULTIHOP ENAMETOOLONG ENAVAIL ENOANO ENOCSI ENOEXEC
    ENOMSG ENOPKG ENOPROTOOPT ENOSR ENOSTR ENOSYS ENOTBLK ENOTDIR ENOTEMPTY ENOTNAM ENOTRECOVERABLE ENOTSOCK ENOTSUP
    ENOTTY ENOTUNIQ EOVERFLOW EOWNERDEAD EPFNOSUPPORT EPROTONOSUPPORT EPROTOTYPE ERANGE EREMOTE ERFKILL
    ESOCKTNOSUPPORT ESPIPE ESRCH ESRMNT ESTRPIPE ETOOMANYREFS EUNATCH EXDEV EXFULL
"""


def exceptions_of(module):
    """The exception classes that a module defines or shows."""
    package = module.__name__.partition(".")[0]
    return {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and kind.__module__.partition(".")[0] == package
        # Groups cannot be made without members, and no driver makes any.
        and "Group" not in name
    }


def untold(kind):
    """An error of a class that says nothing: constructors differ too much."""
    return kind.__new__(kind)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_exception_class_has_the_meaning_that_was_chosen(name):
    expected = {kind: fault for fault, kinds in EXPECTED[name].items() for kind in kinds.split()}
    found = exceptions_of(importlib.import_module(name))
    # Python and its libraries gain classes with their versions, drivers lose some.
    unknown = {kind for kind in found if kind not in expected}
    if name == "builtins":
        unknown -= {"PythonFinalizationError", "EncodingWarning"}
    assert not unknown, "give them a meaning in faults.py, or write them down here"
    assert {kind: fault_of(untold(found[kind])) for kind in found} == {kind: expected[kind] for kind in found}


def test_every_code_of_s3_has_the_meaning_that_was_chosen():
    from botocore.exceptions import ClientError
    from s3fs.errors import ERROR_CODE_TO_EXCEPTION, translate_boto_error

    for code in ERROR_CODE_TO_EXCEPTION:
        error = translate_boto_error(ClientError({"Error": {"Code": code, "Message": "m"}}, "GetObject"))
        assert (fault_of(error) == "broken") == (code in BROKEN_S3_CODES.split()), code


def test_every_code_of_azure_has_the_meaning_that_was_chosen():
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import StorageErrorCode

    for code in StorageErrorCode:
        error = HttpResponseError("m")
        error.error_code = code
        assert (fault_of(error) == "broken") == (code.value in BROKEN_AZURE_CODES.split()), code


def test_every_errno_has_the_meaning_that_was_chosen():
    for number, name in errno.errorcode.items():
        is_broken = fault_of(OSError(number, "m")) == "broken"
        # EINVAL, EEXIST and the like may be any mistake.
        assert is_broken == (name in BROKEN_ERRNOS.split()), name


def test_statuses_of_google_mean_the_same_as_those_of_s3():
    from botocore.exceptions import ClientError
    from gcsfs.retry import HttpError

    for status in range(400, 600):
        google = fault_of(HttpError({"code": status, "message": "m"}))
        answer = {"Error": {"Code": "Strange"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        assert google == fault_of(ClientError(answer, "GetObject")), status
        assert google == fault_of(ClientError({"Error": {"Code": str(status)}}, "HeadObject")), status


def test_what_gcsfs_makes_of_statuses():
    from gcsfs.retry import validate_response

    def raised(status, content=b""):
        with pytest.raises(Exception) as caught:
            validate_response(status, content, "b/x/o/y")
        return fault_of(caught.value)

    assert raised(403, b'{"error": {"message": "no access"}}') == "denied"
    assert raised(401) == "denied"
    assert raised(404) == "gone"
    assert raised(502) == "unavailable"
    assert raised(503) == raised(429) == "busy"
    assert raised(416) == "short"


def test_numbers_of_local_file_systems():
    meanings = {
        errno.ENOSPC: "full",
        errno.EDQUOT: "full",
        errno.EROFS: "read_only",
        errno.EACCES: "denied",
        errno.ESTALE: "gone",
        errno.ENOENT: "gone",
        errno.EIO: "unavailable",
        errno.EMFILE: "busy",
        errno.ETIMEDOUT: "timeout",
        errno.EINVAL: "broken",
    }
    assert {number: fault_of(OSError(number, "m")) for number in meanings} == meanings


def test_what_a_service_said_decides_before_what_a_driver_made_of_it():
    from botocore.exceptions import ClientError

    cause = ClientError({"Error": {"Code": "NoSuchBucket"}}, "ListObjectsV2")
    error = FileNotFoundError("x")
    error.__cause__ = cause
    assert fault_of(error) == "missing"


def test_what_was_being_handled_counts_less_than_the_error_itself():
    error = OSError(errno.ENOSPC, "full")
    error.__context__ = FileNotFoundError(errno.ENOENT, "no directory")
    assert fault_of(error) == "full"
    plain = RuntimeError("m")
    plain.__context__ = error
    assert fault_of(plain) == "full"
    plain.__suppress_context__ = True
    assert fault_of(plain) == "broken"


def test_a_circle_of_causes_ends():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert fault_of(first) == "broken"


def test_an_error_that_cannot_be_shown_is_mapped_nevertheless():
    class UnshownError(OSError):
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    assert store_error(UnshownError(), "read", "x").fault == "broken"


def test_each_fault_has_a_message_of_its_own_with_a_remedy():
    messages = {
        str(store_error(error, "read", "the store at x"))
        for error in (
            FileNotFoundError("m"), EOFError("m"), PermissionError("m"), TimeoutError("m"), BlockingIOError("m"),
            ConnectionError("m"), OSError(errno.ENOSPC, "m"), OSError(errno.EROFS, "m"), RuntimeError("m"),
        )
    }  # fmt: skip
    assert len(messages) == 9
    assert all(each.startswith("cannot read the store at x: ") and "; " in each for each in messages)
    assert set(faults._MEANINGS) == set(faults.Fault.__args__)


def test_an_error_of_embedonce_stays_as_it_is():
    error = FormatError("newer")
    assert store_error(error, "read", "x") is error


def test_a_cause_is_shown_unless_it_holds_a_secret():
    def shown(error, scrub):
        with pytest.raises(StoreError) as caught:
            try:
                raise error
            except OSError as raised:
                raise store_error(raised, "read", "x", scrub)  # noqa: B904 - as its callers do
        return caught.value, "".join(traceback.format_exception(caught.value))

    def scrub(text):
        return text.replace("s3cr3t", "…")

    made, text = shown(OSError("host is down"), scrub)
    assert "host is down" in text
    assert made.__cause__ is not None
    made, text = shown(OSError("key s3cr3t is unknown"), scrub)
    assert "s3cr3t" not in text
    assert "key … is unknown" in text
    hidden = OSError("unknown key")
    hidden.__cause__ = OSError("s3cr3t")
    made, text = shown(hidden, scrub)
    assert "s3cr3t" not in text
    assert made.__cause__ is None


def test_builtin_outages_are_not_misses():
    for kind in (ConnectionResetError, BrokenPipeError, TimeoutError, PermissionError, OSError, builtins.RuntimeError):
        assert fault_of(kind("m")) not in ("gone", "short")
