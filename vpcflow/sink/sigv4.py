"""Requests signed with AWS Signature Version 4, for Amazon OpenSearch Service (`es`) and Serverless (`aoss`).

https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-signing-service-requests.html and
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-clients.html (the header
`x-amz-content-sha256` must be there and signed, `content-length` must not). boto3 is imported only when this is asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode

from vpcflow.errors import ConfigError, SinkUnavailable

__all__ = ["Signer", "canonical"]


def canonical(target: str) -> str:
    """Return path and query with the query spelled as the signature wants it, so that signer and service read the same."""
    path, mark, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    return f"{path}{mark}{urlencode(pairs, quote_via=quote, safe='-_.~')}"


class Signer:
    """Signs with the credentials of the AWS SDK's own chain, which renews temporary ones. Used by several threads."""

    def __init__(self, service: str, region: str) -> None:
        """Find credentials and region; this may ask the instance's or container's metadata service.

        Raises:
            ConfigError: no boto3, no region, no credentials, no such profile.
        """
        try:
            import boto3
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise ConfigError("elasticsearch.service: signing needs the package boto3; pip install boto3") from error
        self._auth, self._request, self._error = SigV4Auth, AWSRequest, BotoCoreError
        try:
            session = boto3.Session(region_name=region or None)
            self._region = session.region_name or os.environ.get("AWS_REGION", "")  # boto3 itself does not look there
            self._credentials = session.get_credentials()
        except BotoCoreError as error:
            raise ConfigError(f"elasticsearch.service: {_one_line(error)}; correct the AWS configuration") from error
        if not self._region:
            raise ConfigError("elasticsearch.region: not set, and the AWS configuration names none; set it")
        if self._credentials is None:
            raise ConfigError(
                "elasticsearch.service: no AWS credentials; give this process a role, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            )
        self._service = service

    def headers(self, method: str, url: str, body: bytes | None, content_type: str) -> Mapping[str, str]:
        """Return the headers that sign a request: this body, to this URL (its query as of `canonical`).

        Only what no proxy changes is signed: host, content type, date, token, and the hash of the body as it is sent.

        Raises:
            SinkUnavailable: the credentials could not be renewed.
        """
        signed = {"x-amz-content-sha256": hashlib.sha256(body or b"").hexdigest()}
        if content_type:
            signed["content-type"] = content_type
        request = self._request(method=method, url=url, data=body or b"", headers=signed)
        try:
            frozen = self._credentials.get_frozen_credentials()
            self._auth(frozen, self._service, self._region).add_auth(request)
        except self._error as error:
            raise SinkUnavailable(f"AWS credentials cannot be renewed: {_one_line(error)}") from error
        return {name.lower(): value for name, value in request.headers.items()}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
