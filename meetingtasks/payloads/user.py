"""Arguments and results of the user service: what happened to an account, to be recorded and told to the others.

No password ever travels in a payload.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from meetingtasks.payloads.common import JsonObject, Payload, Result
from meetingtasks.payloads.texts import EmailAddress, Identifier, refuse

_SECRETS = ("password", "passwd", "secret", "token", "api_key")

RequestId = Annotated[Identifier | None, Field(description="The client's id of this request")]


def _without_secrets(updates: dict[str, object]) -> dict[str, object]:
    if not updates:
        raise refuse("must name at least one change")
    if any(secret in key.lower() for key in updates for secret in _SECRETS):
        raise refuse("must not carry passwords, tokens or other secrets")
    return updates


class UserResult(Result):
    """The user concerned, and the event that told the others."""

    user_id: str
    event_id: str


class UserRegisterPayload(Payload):
    """A new user."""

    username: Annotated[Identifier, Field(description="Name to log in with")]
    email: Annotated[EmailAddress, Field(description="Address")]
    user_id: Annotated[Identifier | None, Field(description="Id, when it is given out elsewhere")] = None
    request_id: RequestId = None


class UserRegisterResult(UserResult):
    """The new user."""


class UserLoginPayload(Payload):
    """A user has logged in."""

    username: Annotated[Identifier, Field(description="Name logged in with")]
    user_id: Annotated[Identifier, Field(description="The user")]
    request_id: RequestId = None


class UserLoginResult(UserResult):
    """The user who logged in."""


class UserProfileUpdatePayload(Payload):
    """A user's profile has new values."""

    user_id: Annotated[Identifier, Field(description="The user")]
    updates: Annotated[JsonObject, AfterValidator(_without_secrets), Field(description="Field to new value")]
    request_id: RequestId = None


class UserProfileUpdateResult(UserResult):
    """The user whose profile changed."""


class UserStatusChangePayload(Payload):
    """A user is there, away or gone."""

    user_id: Annotated[Identifier, Field(description="The user")]
    status: Annotated[Identifier, Field(description="online, offline, away, busy or a word of the platform's own")]
    request_id: RequestId = None


class UserStatusChangeResult(UserResult):
    """The user whose status changed."""
