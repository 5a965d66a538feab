"""A store in a bucket of S3, or of a service that speaks its protocol.

`s3://bucket/prefix?endpoint=...&region=...`. Credentials, and what the URL does not say, come from
where boto3 looks for them: the environment, `~/.aws`, the machine's role.
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pkgcache.errors import UnsupportedStore
from pkgcache.stores._parts import PartedStore
from pkgcache.stores._remote import (
    CHUNK,
    CONNECTIONS,
    NONSENSE,
    PAGE,
    Failure,
    RequestRefused,
    answered,
    closed_unless_taken,
    login_refused,
    quiet,
)
from pkgcache.stores._url import missing
from pkgcache.stores.store import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import BinaryIO

    from pkgcache.stores._remote import Condition
    from pkgcache.web.patience import Patience

__all__ = ["S3Store"]

_TOKEN = "put"  # noqa: S105  (the name of a header)
_LOGIN = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
    *("ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"),
    *("TokenRefreshRequired", "RequestTimeTooSkewed", "AuthFailure"),
}
_BUSY = {
    *("SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "InternalError"),
    *("ConditionalRequestConflict", "OperationAborted", "RequestLimitExceeded"),
    "ServiceUnavailable",
}


class S3Store(PartedStore):
    """Objects of a bucket, under a prefix. Safe to call from several threads.

    Raises `UnsupportedStore` for a URL that it cannot use, or without boto3.
    """

    OPTIONS = frozenset(
        {"endpoint", "region", "profile", "role", "addressing", "sse", "sse-kms-key-id"}
    )
    RIGHTS: Mapping[str, str] = {
        "look up": "s3:GetObject and s3:ListBucket",
        "read": "s3:GetObject and s3:ListBucket",
        "write": "s3:PutObject and s3:AbortMultipartUpload",
        "list": "s3:ListBucket",
        "delete": "s3:DeleteObject",
    }

    def __init__(self, url: str, *, patience: Patience | None = None, **sizes: int) -> None:
        super().__init__(url, patience=patience, **sizes)
        addressing = self._at.options.get("addressing", "auto")
        if addressing not in ("auto", "path", "virtual"):
            raise UnsupportedStore(self._at.clean, "`addressing` is `path` or `virtual`")
        try:
            import boto3  # noqa: F401
        except ImportError:
            raise missing(url, "s3") from None
        self._probed: set[str] = set()

    def _session(self) -> Any:
        import boto3

        options = self._at.options
        return boto3.Session(profile_name=options.get("profile"), region_name=options.get("region"))

    def _connect(self) -> Any:
        from botocore.config import Config

        quiet("botocore")
        options = self._at.options
        session = self._session()
        if role := options.get("role"):
            session = _assuming(session, role)
        own = "endpoint" in options or not _ENDPOINTS.isdisjoint(os.environ)
        return session.client(
            "s3",
            endpoint_url=options.get("endpoint"),
            # A custom endpoint may not know regions, but a signature needs a region.
            region_name=session.region_name or ("us-east-1" if own else None),
            config=Config(
                connect_timeout=self._patience.silence,
                read_timeout=self._patience.silence,
                max_pool_connections=CONNECTIONS,
                retries={"total_max_attempts": 1},  # the policy of all stores is in `_remote`
                s3={"addressing_style": options.get("addressing", "auto")},
                # Other services do not know the trailing checksums that are AWS's default; the
                # signature covers the content then.
                **(_WHEN_REQUIRED if own else {}),
            ),
        )

    def _asked(self, client: Any) -> str:
        return str(client.meta.endpoint_url)

    def _whose(self, client: Any) -> str:  # noqa: ARG002  (it does not tell)
        from botocore.exceptions import NoCredentialsError

        session = self._session()
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        place = _PLACES.get(credentials.method, f"boto3's `{credentials.method}`")
        profile = f", profile `{session.profile_name}`" if credentials.method != "env" else ""
        role = ", for the role of the URL" if "role" in self._at.options else ""
        return f"{place}{profile}{role}"

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        import botocore.exceptions
        import urllib3.exceptions

        return (
            botocore.exceptions.BotoCoreError,
            botocore.exceptions.ClientError,
            RecursionError,  # of botocore, where everything is answered by a redirect
            urllib3.exceptions.HTTPError,
        )

    def _failure(self, error: Exception) -> Failure:
        import urllib3.exceptions
        from botocore import exceptions, parsers

        if isinstance(error, exceptions.ClientError):
            return self._refusal(error)
        network = (
            *(exceptions.ConnectionError, exceptions.HTTPClientError),
            *(exceptions.IncompleteReadError, urllib3.exceptions.HTTPError),
        )
        if isinstance(error, network):
            return self._broken(getattr(error, "kwargs", {}).get("error", error))
        no_login = (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)
        if isinstance(error, no_login):
            hint = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            return Failure(reason="there are no credentials", hint=hint)
        if isinstance(error, exceptions.ProfileNotFound):
            return Failure(reason="the profile does not exist", hint="look into `~/.aws/config`")
        if isinstance(error, exceptions.NoRegionError):
            return Failure(reason="the region is not known", hint="add `?region=` to the URL")
        unread = isinstance(error, (parsers.ResponseParserError, RecursionError))
        failed = Failure(reason=f"the service's library failed ({type(error).__name__})")
        return NONSENSE if unread else failed

    def _refusal(self, error: Any) -> Failure:
        code = str(error.response.get("Error", {}).get("Code", ""))
        facts = error.response.get("ResponseMetadata", {})
        status, headers = facts.get("HTTPStatusCode", 500), facts.get("HTTPHeaders", {})
        if code == "NoSuchBucket":
            hint = "create it, or correct the URL of the store"
            return Failure(reason=f"the bucket `{self._at.host}` does not exist", hint=hint)
        if code in _LOGIN:
            return login_refused(code)
        # Some of these come with the status of an error that would not pass.
        if code in _BUSY:
            status = 503
        if code == "NotImplemented":
            return _NO_CONDITIONS
        if status in (301, 307, 400) and "Redirect" in code:
            reason = "the bucket is in another region"
            return Failure(reason=reason, hint="add `?region=` to the URL")
        named = code if not code.isdecimal() else None
        return answered(status, named, headers.get("retry-after"))

    def _head(self, key: str, name: str) -> tuple[ObjectInfo, str | None]:
        from botocore.exceptions import ClientError

        asked = {"Bucket": self._at.host, "Key": name}
        try:
            answer = self._client().head_object(**asked)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403):
                # Why is only in the body, which such an answer does not have.
                self._client().get_object(**asked, Range="bytes=0-0")["Body"].close()
            raise
        _check_type(answer)
        return _info(key, answer, answer["ContentLength"]), answer["Metadata"].get(_TOKEN)

    def _open(
        self, key: str, name: str, offset: int, etag: str | None
    ) -> tuple[ObjectInfo, Generator[bytes, None, None]]:
        asked = {"Range": f"bytes={offset}-"} if offset else {}
        if etag:
            asked["IfMatch"] = f'"{etag}"'
        answer = self._client().get_object(Bucket=self._at.host, Key=name, **asked)
        with closed_unless_taken(answer["Body"]):
            _check_type(answer)
            # A service that ignores ranges sends all of the object.
            start = offset if "ContentRange" in answer else 0
            if start != offset:
                raise RequestRefused(Failure(reason="the service does not answer ranges"))
            return _info(key, answer, start + answer["ContentLength"]), _pieces(answer["Body"])

    def _put(self, name: str, body: BinaryIO, size: int, condition: Condition) -> str:
        answer = self._client().put_object(
            Bucket=self._at.host,
            Key=name,
            Body=body,
            ContentLength=size,
            **self._encryption(),
            **_marked(condition),
            **_conditions(condition),
        )
        return _etag(answer)

    def _begin(self, name: str, condition: Condition) -> str:
        answer = self._client().create_multipart_upload(
            Bucket=self._at.host, Key=name, **self._encryption(), **_marked(condition)
        )
        return str(answer["UploadId"])

    def _part(self, name: str, upload: str, number: int, data: bytes) -> str:
        answer = self._client().upload_part(
            Bucket=self._at.host, Key=name, UploadId=upload, PartNumber=number + 1, Body=data
        )
        return str(answer["ETag"])

    def _finish(self, name: str, upload: str, parts: Sequence[str], condition: Condition) -> str:
        # The condition goes with the end of the upload, which is when the object appears.
        listed = [{"ETag": etag, "PartNumber": number + 1} for number, etag in enumerate(parts)]
        answer = self._client().complete_multipart_upload(
            Bucket=self._at.host,
            Key=name,
            UploadId=upload,
            MultipartUpload={"Parts": listed},
            **_conditions(condition),
        )
        return _etag(answer)

    def _abandon(self, name: str, upload: str) -> None:
        self._client().abort_multipart_upload(Bucket=self._at.host, Key=name, UploadId=upload)

    def _page(self, prefix: str, page: Any) -> tuple[Sequence[ObjectInfo], Any]:
        answer = self._client().list_objects_v2(
            Bucket=self._at.host,
            Prefix=prefix,
            MaxKeys=self._page_size,
            **({"ContinuationToken": page} if page else {}),
        )
        _ = answer["IsTruncated"]  # which any list says, and no page
        infos = [
            _info(self._key(entry["Key"]), entry, entry["Size"])
            for entry in answer.get("Contents", ())
        ]
        return infos, answer.get("NextContinuationToken")

    def _delete(self, name: str) -> None:
        answer = self._client().delete_object(Bucket=self._at.host, Key=name)
        if answer["ResponseMetadata"]["HTTPStatusCode"] == 200:  # noqa: PLR2004 - not the service's
            raise RequestRefused(NONSENSE)

    def _require(self, condition: Condition) -> None:
        """Find out by an object of our own whether another service than AWS heeds conditions.

        Some ignore the headers that they do not know, and would let two writers win.
        """
        kind = "IfMatch" if condition.if_match is not None else "IfNoneMatch"
        host = urlsplit(self._client().meta.endpoint_url).hostname or ""
        if kind in self._probed or host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return
        asked = {"IfMatch": '"0"'} if kind == "IfMatch" else {"IfNoneMatch": "*"}

        def probe() -> None:
            answer = self._client().put_object(
                Bucket=self._at.host,
                Key=f"{self._prefix}.conditions",
                Body=b"",
                **self._encryption(),
                **asked,
            )
            _etag(answer)

        # Only the first `IfNoneMatch` of all times finds nothing there.
        for _ in range(1 if kind == "IfMatch" else 2):
            try:
                self._call("try a condition", probe)
            except RequestRefused as refused:
                if refused.failure.kind not in ("conflict", "absent"):
                    raise
                self._probed.add(kind)
                return
        raise RequestRefused(_NO_CONDITIONS)

    def _encryption(self) -> dict[str, str]:
        named = {"ServerSideEncryption": "sse", "SSEKMSKeyId": "sse-kms-key-id"}
        options = self._at.options
        return {name: options[option] for name, option in named.items() if option in options}


_PLACES = {
    "env": "AWS_ACCESS_KEY_ID",
    "shared-credentials-file": "the file of shared credentials",
    "config-file": "the configuration file",
    "iam-role": "the role of this machine",
    "container-role": "the role of this container",
}
_ENDPOINTS = {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}
_WHEN_REQUIRED = {
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}
_NO_CONDITIONS = Failure(
    reason="the service does not know conditional puts, so that two writers could both win",
    hint="upgrade the service, or use a store of another kind",
)


def _assuming(session: Any, role: str) -> Any:
    """A session whose credentials are those of a role, renewed before they expire."""
    import boto3
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    source = session.get_credentials()
    if source is None:
        from botocore.exceptions import NoCredentialsError

        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=session._session.create_client,  # noqa: SLF001  (boto3 offers no other way)
        source_credentials=source,
        role_arn=role,
    )
    inner = botocore.session.Session()
    inner._credentials = DeferredRefreshableCredentials(  # noqa: SLF001
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )
    return boto3.Session(botocore_session=inner, region_name=session.region_name)


def _check_type(answer: Mapping[str, Any]) -> None:
    # What nobody gave a type, as we do not, has that of bytes.
    if str(answer.get("ContentType", "")).startswith("text/html"):
        raise RequestRefused(PAGE)


def _pieces(body: Any) -> Generator[bytes, None, None]:
    with closing(body):
        yield from body.iter_chunks(CHUNK)


def _marked(condition: Condition) -> dict[str, Any]:
    return {"Metadata": {_TOKEN: condition.token}} if condition else {}


def _conditions(condition: Condition) -> dict[str, str]:
    if condition.if_absent:
        return {"IfNoneMatch": "*"}
    return {} if condition.if_match is None else {"IfMatch": f'"{condition.if_match}"'}


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


def _info(key: str, answer: Mapping[str, Any], size: int) -> ObjectInfo:
    modified = answer["LastModified"].timestamp()
    return ObjectInfo(key=key, size=size, etag=_etag(answer), modified=modified)
