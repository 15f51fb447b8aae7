"""Every environment variable that a function reads, typed, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from footfall.errors import MissingSettingError

KeptAddresses = Literal["whole", "truncated", "none"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of AWS; `session_token` is empty where they aren't temporary."""

    access_key_id: str
    secret_access_key: str
    session_token: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Reads a variable when it is asked for, so that a function needs only its own.

    Raises:
        MissingSettingError: the variable isn't in `environ`, or isn't what it should be.
    """

    environ: Mapping[str, str]

    @property
    def database_url(self) -> str:
        """postgresql:// URL; without a password the role's IAM token is used."""
        return self._required("DATABASE_URL")

    @property
    def credentials(self) -> Credentials:
        """The function's own, as Lambda gives them."""
        return Credentials(
            self._required("AWS_ACCESS_KEY_ID"),
            self._required("AWS_SECRET_ACCESS_KEY"),
            self.environ.get("AWS_SESSION_TOKEN", ""),
        )

    @property
    def queue_url(self) -> str:
        return self._required("QUEUE_URL")

    @property
    def dead_letter_queue_url(self) -> str:
        return self._required("DEAD_LETTER_QUEUE_URL")

    @property
    def ingest_function(self) -> str:
        """The function's name."""
        return self._required("INGEST_FUNCTION")

    @property
    def session_function(self) -> str:
        """The function's name."""
        return self._required("SESSION_FUNCTION")

    @property
    def insights_function(self) -> str:
        """The function's name."""
        return self._required("INSIGHTS_FUNCTION")

    @property
    def browser_key_hashes(self) -> dict[str, frozenset[str]]:
        """SHA-256 hex digests of the keys that pages may use, each with its origins; none: every origin."""
        origins: dict[str, set[str]] = {}
        for entry in self._list("BROWSER_KEY_HASHES"):
            digest, _, origin = entry.lower().partition("@")
            origins.setdefault(digest, set()).add(origin.rstrip("/"))
        return {digest: frozenset(() if "" in said else said) for digest, said in origins.items()}

    @property
    def server_key_hashes(self) -> tuple[str, ...]:
        """SHA-256 hex digests of the keys that may speak for any user."""
        return self._list("SERVER_KEY_HASHES")

    @property
    def jwt_issuer(self) -> str:
        return self._required("JWT_ISSUER")

    @property
    def jwt_audience(self) -> str:
        return self._required("JWT_AUDIENCE")

    @property
    def insights_client_id(self) -> str:
        """The operators' page, as the issuer knows it; empty where it knows none."""
        return self.environ.get("INSIGHTS_CLIENT_ID", "")

    @property
    def insights_scope(self) -> str:
        """The scopes that the page asks the issuer for, by spaces."""
        return self._required("INSIGHTS_SCOPE")

    @property
    def retention_months(self) -> int:
        """Whole months that are kept besides the current one."""
        return self._number("RETENTION_MONTHS")

    @property
    def ip_addresses(self) -> KeptAddresses:
        """How much of an address is stored; truncated is the network, IPv4 /24 and IPv6 /48."""
        match self.environ.get("IP_ADDRESSES", "truncated"):
            case ("whole" | "truncated" | "none") as kept:
                return kept
            case other:
                raise MissingSettingError(f"IP_ADDRESSES must be whole, truncated or none, not {other!r}")

    @property
    def geoip_database(self) -> str:
        """Path of an MMDB file that knows cities; empty where there is none."""
        return self.environ.get("GEOIP_DATABASE", "")

    @property
    def shards(self) -> int:
        """How many parts the users are learned in."""
        return self._number("SHARDS", most=256)

    @property
    def holdout_percent(self) -> int:
        """Of the visitors: how many get a feed that isn't personalized."""
        return self._number("HOLDOUT_PERCENT", least=0, most=50)

    @property
    def exploration_percent(self) -> int:
        """Of a feed's places: how many are left to chance."""
        return self._number("EXPLORATION_PERCENT", least=0, most=10)

    @property
    def function_name(self) -> str:
        """The function's own, as Lambda gives it."""
        return self.environ.get("AWS_LAMBDA_FUNCTION_NAME", "none")

    @property
    def log_level(self) -> str:
        return self.environ.get("LOG_LEVEL", "INFO")

    def _required(self, name: str) -> str:
        value = self.environ.get(name)
        if not value:
            raise MissingSettingError(f"the environment variable {name} is missing")
        return value

    def _number(self, name: str, least: int = 1, most: int | None = None) -> int:
        value = self._required(name)
        if not value.isdecimal() or int(value) < least or (most and int(value) > most):
            limits = f"from {least} to {most}" if most else f"from {least}"
            raise MissingSettingError(f"{name} must be a whole number {limits}, not {value!r}")
        return int(value)

    def _list(self, name: str) -> tuple[str, ...]:
        return tuple(item.strip() for item in self.environ.get(name, "").split(",") if item.strip())
