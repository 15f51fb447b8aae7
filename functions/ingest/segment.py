"""Segment's wire format, as its SDKs and RudderStack's send it, in the words of our own events.

page, screen   page_view / navigation / view
track          user_action / category / the event's name; an interaction where the properties name the
               content, or the name is one of Segment's for a product or a video
identify       identify
group          group / account / the group's id
alias          alias / account / the former id; from a server it also ties that id to the user

In properties and traits anything may stand: what isn't fit for a column stays there. So only a message's
type, event, ids and time can refuse it, and properties that are no object.

Sources: https://segment.com/docs/connections/spec/ and the SDKs' own requests.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from footfall import ids
from footfall.errors import BadRequestError
from footfall.events import dumps
from functions.ingest.cleaning import clean
from functions.ingest.reading import Batch, parse, some
from functions.ingest.showing import kind_of, shown
from functions.ingest.speaking import Speaker
from functions.ingest.validating import InvalidEventError, is_percentage, parse_time

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
_KEY = ("writeKey", "write_key")
# The tie of an alias has an id of its own.
_LONGEST = ids.MAX_LENGTH - len(" tie")
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
    key = next(filter(None, map(document.get, _KEY)), None)
    if key is not None and not isinstance(key, str):
        raise BadRequestError("writeKey: must be text")
    messages = _messages(document) if kind == "batch" else [_single(document, kind)]
    said = (part.get("sentAt") for part in (document, *messages) if isinstance(part, dict))
    sent_at = _utc(next(filter(None, said), None))
    shared = _object(document.get("context")) if kind == "batch" else {}
    identified = [_identified(message, shared, [index, sent_at]) for index, message in enumerate(messages)]
    return Batch(identified, key, sent_at, suspect, "batch")


def _messages(document: Message) -> list[Any]:
    messages = document.get("batch")
    if not isinstance(messages, list):
        raise BadRequestError("batch: must be a list")
    return some("batch", messages)


def _single(document: Message, kind: str) -> Event:
    # What is refused is kept as it came, but not the key of whoever sent it.
    return {name: value for name, value in document.items() if name not in _KEY} | {"type": kind}


def _identified(message: Any, shared: Message, place: list[Any]) -> Any:
    """With the context that it shares, and with an id, the same one whenever the request is sent again."""
    if not isinstance(message, dict):
        return message
    whole = {**message, "context": {**shared, **_object(message.get("context"))}} if shared else message
    said = message.get("messageId")
    if _id(said) is not None:
        return whole
    # An id too long to be kept is still the sender's; any other says nothing, and the message stands for it.
    source = said if isinstance(said, str) and not ids.is_junk(said) else dumps(clean([place, message]))
    digest = sha256(source.encode(errors="replace")).hexdigest()
    return {**whole, "messageId": f"sha256 {digest}"}


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
    return {
        "id": message["messageId"],
        "created_at": _utc(message.get("timestamp") or message.get("originalTimestamp")),
        "anonymous_id": message.get("anonymousId") or None,
        "user_id": message.get("userId") or None,
        "session_id": _id(context.get("sessionId")),
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
        raise InvalidEventError(f"event: must be a name, not {shown(name)}")
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
    content_type, done = _text(properties.get("content_type")), _text(properties.get("interaction_type"))
    content_id = _id(properties.get("content_id"))
    if not (content_type and done and content_id):
        content_type, done, places = _SPECIFIED.get(name, ("", "", ()))
        named = (_id(properties.get(place)) for place in places)
        content_id = next((one for one in named if one), None)
        if content_id is None:
            return None
    # Segment's own events number positions too, but in lists that are none of our feeds.
    feed_id = _id(properties.get("feed_id"))
    return {
        "type": "interaction",
        "content_type": content_type,
        "content_id": content_id,
        "interaction_type": done,
        "duration_seconds": _amount(properties.get("duration_seconds")),
        "feed_id": feed_id,
        "position": _amount(properties.get("position")) if feed_id else None,
    }


def _identify(message: Message, _: Event) -> Event:
    traits = _object(_object(message.get("context")).get("traits")) | _object(message.get("traits"))
    spelled = traits.pop("created_at", None) or traits.pop("createdAt", None)
    signed_up = _utc(spelled)
    said = {"created_at": signed_up} if _is_time(signed_up) else {"createdAt": spelled}
    completeness = traits.get("profile_completeness")
    if completeness is not None and not is_percentage(completeness):
        said["profileCompleteness"] = traits.pop("profile_completeness")
    return {"type": "identify", "traits": traits | said}


def _group(message: Message, _: Event) -> Event:
    traits = _object(message.get("traits"))
    return _account("group", message, "groupId") | {"metadata": {"traits": traits} if traits else None}


def _alias(message: Message, _: Event) -> Event:
    return _account("alias", message, "previousId")


def _account(kind: str, message: Message, field: str) -> Event:
    subject = message.get(field)
    if not isinstance(subject, str | int) or isinstance(subject, bool) or subject == "":
        raise InvalidEventError(f"{field}: is required")
    return {"event_type": kind, "event_category": "account", "event_action": str(subject)}


def _properties(message: Message) -> Event:
    # Some SDKs say [] where there are none.
    properties = message.get("properties") or {}
    if not isinstance(properties, dict):
        raise InvalidEventError(f"properties: must be an object, not {kind_of(properties)}")
    return dict(properties)


def _object(value: Any) -> Event:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """What is of use as text; in properties anything may stand."""
    return value if isinstance(value, str) and value else None


def _id(value: Any) -> str | int | None:
    """What is of use as an id of a message or of content; a person's is judged where it is taken."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST and (value == "0" or not ids.is_junk(value)) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _amount(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _utc(value: Any) -> Any:
    """A time that names no offset is in UTC, as older SDKs send it."""
    if isinstance(value, str) and not value.endswith("Z"):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
            return value if moment.tzinfo else moment.replace(tzinfo=UTC).isoformat()
    return value or None


def _is_time(value: Any) -> bool:
    try:
        return bool(parse_time(value, ""))
    except InvalidEventError:
        return False


_TRANSLATIONS: Mapping[str, Callable[[Message, Event], Event]] = {
    "page": _page,
    "screen": _screen,
    "track": _track,
    "identify": _identify,
    "group": _group,
    "alias": _alias,
}
