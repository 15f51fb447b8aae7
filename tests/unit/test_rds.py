"""Tokens against botocore's own, and the certificates of RDS that ship with the layer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore import auth, hooks, signers
from botocore.credentials import Credentials as BotoCredentials
from botocore.model import ServiceId
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from footfall import rds
from footfall.errors import MissingSettingError
from footfall.settings import Credentials

NOW = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)
HOST = "footfall.cluster-abc123.eu-west-1.rds.amazonaws.com"
KEYS = Credentials("AKIAEXAMPLE", "secret/+key", "session//token==")
# How long before its end a certificate is to be renewed: Amazon adds the next ones years ahead.
AHEAD = timedelta(days=3 * 365)
REGIONS = sorted(file.stem for file in rds.ROOTS.iterdir())

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
hosts = st.from_regex(
    r"[A-Za-z0-9-]{1,30}\.[A-Za-z0-9-]{1,30}\.eu-west-1\.rds\.amazonaws\.com", fullmatch=True
)


def botocores(host: str, port: int, user: str, region: str, keys: Credentials, now: datetime) -> str:
    """The token that botocore makes."""
    credentials = BotoCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token or None)
    events = hooks.HierarchicalEmitter()
    signer = signers.RequestSigner(ServiceId("RDS"), region, "rds", "v4", credentials, events)
    client = SimpleNamespace(meta=SimpleNamespace(region_name=region), _request_signer=signer)
    with mock.patch.object(auth, "get_current_datetime", return_value=now):
        token: str = signers.generate_db_auth_token(client, host, port, user)
    return token


@given(
    host=hosts,
    port=st.sampled_from([443, 5432]) | st.integers(1, 65_535),
    user=texts,
    region=st.sampled_from(REGIONS),
    keys=st.builds(Credentials, texts, texts, texts | st.just("")),
    now=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_token_is_what_botocore_makes(
    host: str, port: int, user: str, region: str, keys: Credentials, now: datetime
) -> None:
    assert rds.token(host, port, user, region, keys, now) == botocores(host, port, user, region, keys, now)


def test_a_token_is_what_a_client_of_boto3_makes() -> None:
    client = boto3.client(
        "rds",
        "eu-west-1",
        aws_access_key_id=KEYS.access_key_id,
        aws_secret_access_key=KEYS.secret_access_key,
        aws_session_token=KEYS.session_token,
    )
    with mock.patch.object(auth, "get_current_datetime", return_value=NOW):
        theirs = client.generate_db_auth_token(HOST, 5432, "footfall_session")
    client.close()
    assert rds.token(HOST, 5432, "footfall_session", "eu-west-1", KEYS, NOW) == theirs


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (HOST, "eu-west-1"),
        ("db.abc.US-GOV-WEST-1.RDS.amazonaws.com", "us-gov-west-1"),
        ("db.abc.cn-north-1.rds.amazonaws.com.cn", "cn-north-1"),
        ("db.abc.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("127.0.0.1", None),
        ("", None),
        ("eu-west-1.rds.amazonaws.com", None),
        ("db.abc.eu-west-1.redshift.amazonaws.com", None),
        ("db.abc.eu-west-1.rds.amazonaws.com.evil.test", None),
        ("db.abc.eu-west-1.rds.amazonaws.com\n", None),
        (f"elsewhere.test,{HOST}", None),
    ],
)
def test_only_an_endpoint_of_rds_is_taken_for_one(host: str, region: str | None) -> None:
    assert rds.region_of(host) == region


def test_roots_that_are_not_there_are_named_with_their_region() -> None:
    with pytest.raises(
        MissingSettingError, match=r"no root certificates of RDS in cn-north-1: .*sslrootcert"
    ):
        rds.roots_of("cn-north-1")


def test_the_commercial_regions_are_there() -> None:
    assert {"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2", "sa-east-1"} <= {
        *REGIONS
    }
    assert len(REGIONS) >= 27


@pytest.mark.parametrize("region", REGIONS)
def test_certificates_are_amazons_roots_of_the_region_and_good_for_years(region: str) -> None:
    """A region's three: rds-ca-rsa2048-g1, rds-ca-rsa4096-g1 and rds-ca-ecc384-g1."""
    found = [said_of(one, datetime.now(UTC)) for one in certificates(rds.roots_of(region))]
    kinds = ("ECC384", "RSA2048", "RSA4096")
    assert found == [(f"Amazon RDS {region} Root CA {kind} G1", "Amazon RDS") for kind in kinds]


def test_a_certificate_that_is_about_to_expire_is_noticed() -> None:
    [first, *_] = certificates(rds.roots_of("eu-west-1"))
    with pytest.raises(AssertionError, match="renew"):
        said_of(first, first.not_valid_after_utc - AHEAD)


def certificates(file: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(file.read_bytes())


def said_of(certificate: x509.Certificate, now: datetime) -> tuple[Any, Any]:
    """Common name and unit of a root; AssertionError where it is none, or not for long."""
    certificate.verify_directly_issued_by(certificate)
    limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical
    assert limits.value.ca
    assert certificate.not_valid_before_utc < now
    assert now + AHEAD < certificate.not_valid_after_utc, "renew it: docs/decisions/0007-database-roles.md"
    subject = {part.rfc4514_attribute_name: part.value for part in certificate.subject}
    return subject["CN"], subject["OU"]
