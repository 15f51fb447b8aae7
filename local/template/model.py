"""What the local runner knows of a template: plain values, all references resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.postgres.roles import role_of

ACCOUNT = "000000000000"
REGION = "us-east-1"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/local"


@dataclass(frozen=True)
class Queue:
    """`attributes` are those of SQS's CreateQueue, all text."""

    logical_id: str
    name: str
    arn: str
    url: str
    attributes: Mapping[str, str]
    dead_letter_arn: str | None


@dataclass(frozen=True)
class QueueSource:
    """`window` in seconds; `concurrency` is None where the template sets no MaximumConcurrency."""

    queue_arn: str
    batch_size: int
    window: float
    concurrency: int | None
    reports_failures: bool


@dataclass(frozen=True)
class Schedule:
    """`input` is the payload as text; None means the event that the scheduler makes."""

    name: str
    expression: str
    source: str
    input: str | None


@dataclass(frozen=True)
class Function:
    """`timeout` in seconds, `memory` in MB; `layers` are folders relative to the template."""

    logical_id: str
    name: str
    handler: str
    runtime: str
    timeout: float
    memory: int
    environment: Mapping[str, str]
    layers: tuple[str, ...] = ()
    queue_sources: tuple[QueueSource, ...] = ()
    schedules: tuple[Schedule, ...] = ()

    @property
    def short_name(self) -> str:
        return self.logical_id.removesuffix("Function").lower()

    @property
    def database_role(self) -> str:
        """The one that its DATABASE_URL names; empty where it has none."""
        return role_of(self.environment.get("DATABASE_URL", ""))

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"


@dataclass(frozen=True)
class CustomResource:
    """`function` is the logical id of its ServiceToken; `timeout` in seconds; `properties` as sent."""

    logical_id: str
    type: str
    function: str
    timeout: float
    properties: Mapping[str, object]


@dataclass(frozen=True)
class Authorizer:
    """`headers` are lower case; `ttl` in seconds, 0 asks every time."""

    name: str
    function: str
    headers: tuple[str, ...]
    ttl: float


@dataclass(frozen=True)
class Throttle:
    """`rate` in requests a second."""

    rate: float
    burst: float


@dataclass(frozen=True)
class Route:
    """`method` may be ANY; `path` may be `$default`; `function` and `authorizer` are names."""

    method: str
    path: str
    function: str
    authorizer: str | None = None
    timeout: float = 30.0
    throttle: Throttle | None = None

    @property
    def key(self) -> str:
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True)
class Cors:
    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: int | None = None
    credentials: bool = False


@dataclass(frozen=True)
class Api:
    routes: tuple[Route, ...] = ()
    authorizers: Mapping[str, Authorizer] = field(default_factory=dict)
    cors: Cors | None = None


@dataclass(frozen=True)
class Template:
    """Functions and queues by logical id; parameters as they were resolved."""

    parameters: Mapping[str, object]
    functions: Mapping[str, Function]
    queues: Mapping[str, Queue]
    api: Api
    custom_resources: tuple[CustomResource, ...] = ()

    @property
    def deploying(self) -> set[str]:
        """The functions that make custom resources."""
        return {resource.function for resource in self.custom_resources}

    @property
    def rooms_roles(self) -> set[str]:
        """The database roles that a deploy makes: what makes them is the owner's."""
        rooms = (each for name, each in self.functions.items() if name not in self.deploying)
        return {each.database_role for each in rooms}

    def queue_by_arn(self, arn: str) -> Queue:
        return next(queue for queue in self.queues.values() if queue.arn == arn)
