"""What happens to users' accounts: the channel ``user_events``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from meetingtasks.events.facts.base import Channel, Fact, Id


class UserFact(Fact):
    """Something that happened to a user."""

    channel: ClassVar[Channel] = "user_events"

    user_id: Id = Field(description="The user")


class UserRegistered(UserFact):
    """An account was made."""

    type: ClassVar[str] = "user.registered"
    aliases: ClassVar[tuple[str, ...]] = ("user_registered",)

    username: str | None = Field(None, description="The name chosen")


class UserLoggedIn(UserFact):
    """A user logged in."""

    type: ClassVar[str] = "user.logged_in"
    aliases: ClassVar[tuple[str, ...]] = ("user_logged_in",)

    username: str | None = Field(None, description="The name used")


class UserProfileUpdated(UserFact):
    """A profile changed."""

    type: ClassVar[str] = "user.profile_updated"
    aliases: ClassVar[tuple[str, ...]] = ("user_profile_updated",)

    fields: list[str] = Field(default_factory=list, description="Names of the changed fields, never their values")


class UserStatusChanged(UserFact):
    """A user came online, went away or was locked."""

    type: ClassVar[str] = "user.status_changed"
    aliases: ClassVar[tuple[str, ...]] = ("user_status_changed",)

    status: str = Field(description="The new status")
