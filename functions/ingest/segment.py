"""Segment's wire format, as its SDKs and RudderStack's send it, in the words of our own events.

page, screen   page_view / navigation / view
track          user_action / category / the event's name; an interaction where the properties name the
               content, or the name is one of Segment's for a product or a video
identify       identify
group          group / account / the group's id
alias          alias / account / the former id; from a server it also ties that id to the user

Sources: https://segment.com/docs/connections/spec/ and the SDKs' own requests.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from footfall.errors import BadRequestError
from footfall.events import dumps
from functions.ingest.cleaning import clean
from functions.ingest.reading import Batch, parse, some
from functions.ingest.showing import kind_of, shown
from functions.ingest.speaking import Speaker
from functions.ingest.validating import InvalidEventError

Event = dict[str, Any]
Message = Mapping[str, Any]

# The last part of each route, and what is sent there.
PATHS: Mapping[str, str] = {
    "batch": "batch",
    "import": "batch",
    "b": "batch",
    **{name: name for name in ("track", "page", "screen", "identify", "group", "alias")},
    **{name[0]: name for name in ("track", "page", "screen", "identify", "group", "alias")},
}
# What of a context is worth keeping beside each event; of the rest the most is in columns.
_KEPT_CONTEXT = ("app", "campaign", "device", "library", "locale", "network", "os", "screen", "userAgentData")
# Segment's names for what is done with content: content type, interaction, and where the id stands.
_SPECIFIED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "Product Viewed": ("product", "view", ("product_id", "sku")),
    "Product Clicked": ("product", "click", ("product_id", "sku")),
    "Product Added": ("product", "save", ("product_id", "sku")),
    "Product Added to Wishlist": ("product", "save", ("product_id", "sku")),
    "Product Shared": ("product", "share", ("product_id", "sku")),
    "Product Reviewed": ("product", "comment", ("product_id", "sku")),
    "Promotion Viewed": ("promotion", "view", ("promotion_id",)),
    "Promotion Clicked": ("promotion", "click", ("promotion_id",)),
    "Video Content Started": ("video", "view", ("asset_id", "content_asset_id")),
}


def read(body: bytes, kind: str) -> Batch:
    """The messages of a request to the route of one kind, or of `batch`.

    Raises:
        TooLargeError: over 4 MiB, packed or unpacked, or over 20,000 messages.
        BadRequestError: not JSON, or JSON that holds no messages; says what is wrong and where.
    """
    document, suspect = parse(body)
    if not isinstance(document, dict):
        raise BadRequestError(f"the body must be an object, not {kind_of(document)}")
    key = document.get("writeKey") or document.get("write_key")
    if key is not None and not isinstance(key, str):
        raise BadRequestError("writeKey: must be text")
    messages = _messages(document) if kind == "batch" else [{**document, "type": kind}]
    shared, sent_at = _object(document.get("context")), document.get("sentAt")
    if sent_at is None and messages and isinstance(messages[0], dict):
        sent_at = messages[0].get("sentAt")
    identified = [_identified(message, shared, index) for index, message in enumerate(messages)]
    return Batch(identified, key, sent_at, suspect)


def _messages(document: Message) -> list[Any]:
    messages = document.get("batch")
    if not isinstance(messages, list):
        raise BadRequestError("batch: must be a list")
    return some("batch", messages)


def _identified(message: Any, shared: Message, index: int) -> Any:
    """With the context that it shares, and with an id, the same one whenever the request is sent again."""
    if not isinstance(message, dict):
        return message
    whole = {**message, "context": {**shared, **_object(message.get("context"))}} if shared else message
    if message.get("messageId") in (None, ""):
        digest = sha256(f"{index}\n{dumps(clean(message))}".encode()).hexdigest()
        whole = {**whole, "messageId": f"unnamed {digest}"}
    return whole


def settings(event: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What Segment's browser library needs to know before it sends: to send to where it asked."""
    headers, host = event.get("headers") or {}, event["requestContext"]["domainName"]
    destination = {
        "apiKey": key,
        "apiHost": f"{headers.get('host') or host}/v1",
        "protocol": headers.get("x-forwarded-proto", "https"),
    }
    return {"integrations": {"Segment.io": destination}}


def to_events(message: Any, speaker: Speaker) -> list[Any]:
    """Our events of one message.

    Raises:
        InvalidEventError: says which field is wrong, and why.
    """
    if not isinstance(message, dict):
        raise InvalidEventError(f"must be an object, not {kind_of(message)}")
    kind = message.get("type")
    translate = _TRANSLATIONS.get(kind) if isinstance(kind, str) else None
    if translate is None:
        raise InvalidEventError(f"type: must be one of {', '.join(_TRANSLATIONS)}, not {shown(kind)}")
    common = _common(message, speaker)
    events = [common | translate(message, common)]
    if kind == "alias" and speaker.kind == "server" and common["user_id"]:
        tie = {"id": f"{common['id']} tie", "type": "alias", "anonymous_id": message["previousId"]}
        events.append(common | tie)
    return events


def _common(message: Message, speaker: Speaker) -> Event:
    context = _object(message.get("context"))
    page = _object(context.get("page"))
    said = message.get("timestamp") or message.get("originalTimestamp")
    return {
        "id": message.get("messageId"),
        "created_at": _utc(said),
        "anonymous_id": message.get("anonymousId") or None,
        "user_id": message.get("userId") or None,
        "session_id": context.get("sessionId"),
        "time_zone": _text(context.get("timezone")),
        "page_path": _text(page.get("path")),
        "referrer": _text(page.get("referrer")),
        "context": {key: context[key] for key in _KEPT_CONTEXT if key in context} | _device(context, speaker),
    }


def _device(context: Message, speaker: Speaker) -> Event:
    """Of whom a server speaks; a page's own device is that of its request."""
    if speaker.kind != "server":
        return {}
    place = _object(context.get("location"))
    return {
        "user_agent": context.get("userAgent"),
        "ip": context.get("ip"),
        "country": place.get("country"),
        "city": place.get("city"),
    }


def _page(message: Message, common: Event) -> Event:
    properties = _properties(message)
    page = _object(_object(message.get("context")).get("page"))
    about = {key: page[key] for key in ("title", "url", "search") if page.get(key)}
    about |= {key: message[key] for key in ("name", "category") if message.get(key)}
    return {
        "event_type": "page_view",
        "event_category": "navigation",
        "event_action": "view",
        "page_path": _text(properties.get("path")) or common["page_path"],
        "referrer": _text(properties.get("referrer")) or common["referrer"],
        "metadata": about | properties,
    }


def _screen(message: Message, common: Event) -> Event:
    event = _page(message, common)
    # Where a server's SDK is given one name only, it goes as the category.
    name = _text(message.get("name")) or _text(message.get("category"))
    return {**event, "page_path": event["page_path"] or name}


def _track(message: Message, _: Event) -> Event:
    name, properties = message.get("event"), _properties(message)
    if not isinstance(name, str) or not name:
        raise InvalidEventError("event: is required")
    interaction = _interaction(name, properties)
    if interaction is not None:
        return {**interaction, "metadata": {"event": name} | properties}
    return {
        "event_type": "search" if name == "Products Searched" else "user_action",
        "event_category": _text(properties.get("category")),
        "event_action": name,
        "metadata": properties,
    }


def _interaction(name: str, properties: Message) -> Event | None:
    said = {key: properties.get(key) for key in ("content_type", "content_id", "interaction_type")}
    if not all(said.values()):
        kind, action, places = _SPECIFIED.get(name, ("", "", ()))
        identifier = next((properties[place] for place in places if properties.get(place)), None)
        if identifier is None:
            return None
        said = {"content_type": kind, "content_id": identifier, "interaction_type": action}
    # Segment's own events number positions too, but in lists that are none of our feeds.
    feed = {key: properties.get(key) for key in ("feed_id", "position")} if properties.get("feed_id") else {}
    return {"type": "interaction", **said, "duration_seconds": properties.get("duration_seconds"), **feed}


def _identify(message: Message, _: Event) -> Event:
    traits = _object(_object(message.get("context")).get("traits")) | _object(message.get("traits"))
    signed_up = traits.get("created_at") or traits.get("createdAt")
    kept = {key: value for key, value in traits.items() if key not in {"created_at", "createdAt"}}
    return {"type": "identify", "traits": kept | {"created_at": _utc(signed_up)}}


def _group(message: Message, _: Event) -> Event:
    return _account("group", message, "groupId") | {"metadata": {"traits": _object(message.get("traits"))}}


def _alias(message: Message, _: Event) -> Event:
    return _account("alias", message, "previousId")


def _account(kind: str, message: Message, field: str) -> Event:
    subject = message.get(field)
    if not isinstance(subject, str | int) or isinstance(subject, bool) or subject == "":
        raise InvalidEventError(f"{field}: is required")
    return {"event_type": kind, "event_category": "account", "event_action": str(subject)}


def _properties(message: Message) -> Event:
    properties = message.get("properties")
    if properties is not None and not isinstance(properties, dict):
        raise InvalidEventError(f"properties: must be an object, not {kind_of(properties)}")
    return dict(properties or {})


def _object(value: Any) -> Event:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """What is of use as text; in properties anything may stand."""
    return value if isinstance(value, str) and value else None


def _utc(value: Any) -> Any:
    """A time that names no offset is in UTC, as older SDKs send it."""
    if isinstance(value, str) and value and "T" in value and not _names_offset(value):
        return f"{value}Z"
    return value or None


def _names_offset(value: str) -> bool:
    clock = value.partition("T")[2]
    return clock[-1:] in {"Z", "z"} or "+" in clock or "-" in clock


_TRANSLATIONS: Mapping[str, Callable[[Message, Event], Event]] = {
    "page": _page,
    "screen": _screen,
    "track": _track,
    "identify": _identify,
    "group": _group,
    "alias": _alias,
}
