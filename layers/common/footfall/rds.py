"""Amazon RDS: whose certificate its endpoints show, and the token that stands for a password there.

Tokens are signed here, in the standard library, as boto3 takes hundreds of milliseconds to do it
(docs/decisions/0007-database-roles.md).
"""

import hashlib
import hmac
import re
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from footfall.errors import MissingSettingError
from footfall.settings import Credentials

ROOTS = Path(__file__).with_name("rds-ca")
SECONDS = 900

_REGION = r"([a-z]{2}(?:-[a-z]+)+-\d)"
_ENDPOINT = re.compile(
    rf"[^,]+\.(?:{_REGION}\.rds\.amazonaws\.com(?:\.cn)?|rds\.{_REGION}\.amazonaws\.com\.cn)", re.IGNORECASE
)
_NO_BODY = hashlib.sha256(b"").hexdigest()


def region_of(host: str) -> str | None:
    """The AWS region of an RDS endpoint; None for any other host."""
    found = _ENDPOINT.fullmatch(host)
    return (found[1] or found[2]).lower() if found else None


def roots_of(region: str) -> Path:
    """The root certificates of one region: those of all would have to be read at every connect.

    Raises:
        MissingSettingError: none are kept for that region.
    """
    file = ROOTS / f"{region}.pem"
    if not file.is_file():
        raise MissingSettingError(
            f"footfall has no root certificates of RDS in {region}: "
            f"name a file that holds them in DATABASE_URL, as sslrootcert"
        )
    return file


def token(host: str, port: int, user: str, region: str, credentials: Credentials, now: datetime) -> str:
    """A presigned `rds-db:connect` (Signature Version 4): logs in for 15 minutes from `now` (UTC)."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    scope = f"{stamp[:8]}/{region}/rds-db/aws4_request"
    parameters = {
        "Action": "connect",
        "DBUser": user,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(SECONDS),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token:
        parameters["X-Amz-Security-Token"] = credentials.session_token
    pairs = [f"{name}={quote(value, safe='')}" for name, value in parameters.items()]
    # As in a URL of https, whose usual port is not part of the Host header.
    signed_host = host.lower() if port == 443 else f"{host.lower()}:{port}"
    request = f"GET\n/\n{'&'.join(sorted(pairs))}\nhost:{signed_host}\n\nhost\n{_NO_BODY}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in scope.split("/"):
        key = _sign(key, part)
    signature = _sign(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}").hex()
    return f"{host}:{port}/?{'&'.join(pairs)}&X-Amz-Signature={signature}"


def _sign(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)
