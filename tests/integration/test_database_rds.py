"""Connecting to what looks like an RDS endpoint: a real Postgres with TLS, under such a name."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from footfall import rds
from footfall.database import Database, Row, connect
from footfall.errors import DatabaseUnavailableError, MissingSettingError
from footfall.settings import Settings
from local.postgres import PostgresServer, installed_versions
from local.postgres.binaries import server_user

REGION = "eu-west-1"
HOST = f"footfall.cluster-abc123.{REGION}.rds.amazonaws.com"
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# The one of the packages' servers that was built with TLS.
WITH_TLS = 17


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Server:
    """`root` is the certificate of the authority that signed its own."""

    owner_url: str
    port: int
    root: Path
    clock: Clock = field(default_factory=Clock)

    def url(self, host: str = HOST, user: str = "room", **parameters: str) -> str:
        """An address whose name, as far as TLS can see, is `host`."""
        query = "&".join(f"{key}={value}" for key, value in {"hostaddr": "127.0.0.1", **parameters}.items())
        return f"postgresql://{user}@{host}:{self.port}/footfall?{query}"

    def accept(self, moment: datetime) -> None:
        """From now on the role's password is the token of that moment, and no other."""
        token = rds.token(HOST, self.port, "room", REGION, Settings(ENVIRON).credentials, moment)
        with psycopg.connect(self.owner_url, autocommit=True) as owner:
            owner.execute(psycopg.sql.SQL("ALTER ROLE room PASSWORD {}").format(token))

    def connect(self, url: str) -> psycopg.Connection[Row]:
        return connect(url, environ=ENVIRON, now=self.clock)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    binaries = installed_versions().get(WITH_TLS)
    if binaries is None:
        pytest.skip(f"PostgreSQL {WITH_TLS}, which has TLS, isn't installed")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key, root = write_certificates(folder)
    for file in (certificate, key):
        file.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(file, server_user(binaries).uid, -1)
    tls = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    server = PostgresServer(folder / "postgres", binaries=binaries, options={"fsync": "off", **tls})
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute("CREATE ROLE room LOGIN")
        port = owner.info.port
    yield Server(server.url(), port, root)
    server.stop()


@pytest.fixture
def server(running: Server) -> Server:
    running.clock.now = NOW
    running.accept(NOW)
    return running


def write_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A server's certificate for HOST, its key, and the root that signed it."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate_of("A root", root_key.public_key(), "A root", root_key, ca=True)
    own = certificate_of(HOST, key.public_key(), "A root", root_key, ca=False)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = {"server.pem": own.public_bytes(pem), "server.key": secret, "root.pem": root.public_bytes(pem)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    certificate, private, trusted = (folder / name for name in files)
    return certificate, private, trusted


def certificate_of(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    today = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def test_the_right_server_is_given_the_token_that_is_valid_now(server: Server) -> None:
    with server.connect(server.url(sslrootcert=str(server.root))) as connection:
        facts = connection.execute(
            "SELECT current_user::text, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        )
        assert facts.fetchone() == {"current_user": "room", "ssl": True}
    server.clock.now += timedelta(seconds=1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect(server.url(sslrootcert=str(server.root)))


def test_every_connection_has_a_token_of_its_own_time(server: Server) -> None:
    url = server.url(sslrootcert=str(server.root))
    queries = {"backend": "SELECT pg_backend_pid() AS pid"}
    database = Database(url, queries, environ=ENVIRON, now=server.clock)
    first = database.run(lambda transaction: transaction.one("backend"))
    server.clock.now += timedelta(hours=3)
    server.accept(server.clock.now)
    # It was idle for so long that it is opened anew.
    assert database.run(lambda transaction: transaction.one("backend")) != first
    database.close()


@pytest.mark.parametrize("mode", [{}, {"sslmode": "verify-full"}])
def test_a_server_that_amazon_did_not_sign_is_refused(server: Server, mode: dict[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        server.connect(server.url(**mode))
    database = Database(server.url(**mode), {"one": "SELECT 1"}, environ=ENVIRON, now=server.clock)
    with pytest.raises(DatabaseUnavailableError, match="certificate verify failed"):
        database.run(lambda transaction: transaction.one("one"))


def test_a_server_of_another_name_is_refused(server: Server) -> None:
    other = HOST.replace("footfall", "another")
    with pytest.raises(psycopg.OperationalError, match=f'"{HOST}" does not match host name "{other}"'):
        server.connect(server.url(other, sslrootcert=str(server.root)))


def test_a_server_without_tls_is_refused(postgres_url: str, server: Server) -> None:
    with psycopg.connect(postgres_url) as plain:
        port = plain.info.port
    url = server.url().replace(f":{server.port}/", f":{port}/")
    with pytest.raises(psycopg.OperationalError, match="server does not support SSL"):
        server.connect(url)


def test_a_password_of_the_url_is_used_as_it_is(server: Server) -> None:
    with psycopg.connect(server.owner_url, autocommit=True) as owner:
        owner.execute("ALTER ROLE room PASSWORD 'of my own'")
    url = server.url(user="room:of%20my%20own", sslrootcert=str(server.root))
    with connect(url, environ={}, now=server.clock) as connection:
        assert connection.info.user == "room"


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_missing_credentials_are_named(server: Server, missing: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != missing}
    with pytest.raises(MissingSettingError, match=f"^the environment variable {missing} is missing$"):
        connect(server.url(), environ=environ, now=server.clock)


@pytest.mark.parametrize("url", ["postgresql://room:pass word@host", "host", "mysql://room:secret@host/db"])
def test_what_is_no_url_is_said_without_quoting_it(url: str) -> None:
    with pytest.raises(MissingSettingError) as caught:
        connect(url)
    assert str(caught.value) == "DATABASE_URL isn't the URL of a Postgres database"


def test_other_servers_need_nothing_of_amazon(database_url: str) -> None:
    environ: dict[str, Any] = {}
    with connect(database_url, environ=environ) as connection:
        assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}
