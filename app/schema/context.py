"""What one request carries: the viewer, and loaders that gather what its fields ask for."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from app.access import Reading
from app.errors import Invalid, NotFound
from app.resolvers import invitations, users
from app.resolvers.invitations import InvitationRow
from app.resolvers.users import UserRow
from app.seats import Viewer

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class Context:
    """One request's viewer and loaders. Fields that wait at the same time are answered by one statement."""

    viewer: Viewer
    _loaders: dict[Hashable, DataLoader[Any, Any]] = field(default_factory=dict)

    async def load(
        self, verb: Reading[P, R], row_id: UUID, /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Ask a reading verb about one row; all that ask it the same thing are asked together.

        Raises what the verb refuses this row with.
        """

        async def answer(ids: list[UUID]) -> list[Any]:
            answers = await verb.many(self.viewer, ids, *args, **kwargs)
            return [answers[one] for one in ids]

        key = (verb.declared.module, verb.declared.name, args, tuple(kwargs.items()))
        found: R = await self._loader(key, answer).load(row_id)
        return found

    async def once(self, verb: Callable[[Viewer], Awaitable[R]]) -> R:
        """Ask a verb that needs the viewer alone, once for all fields that ask it."""

        async def answer(keys: list[None]) -> list[R]:
            return [await verb(self.viewer)] * len(keys)

        found: R = await self._loader(verb, answer).load(None)
        return found

    async def user(self, user_id: UUID) -> UserRow:
        """Find a person by their id. Raises `NotFound` for strangers."""

        async def answer(ids: list[UUID]) -> list[Any]:
            shown = await users.users(self.viewer, ids)
            return [shown.get(one) or NotFound() for one in ids]

        found: UserRow = await self._loader(users.users, answer).load(user_id)
        return found

    async def own_invitation(self, invitation_id: UUID) -> InvitationRow:
        """Find an invitation to the viewer, an answered one too. Raises `NotFound`."""

        async def answer(ids: list[UUID]) -> list[Any]:
            shown = await invitations.own_invitations(self.viewer, ids)
            return [shown.get(one) or NotFound() for one in ids]

        found: InvitationRow = await self._loader(invitations.own_invitations, answer).load(
            invitation_id
        )
        return found

    def _loader(
        self, key: Hashable, answer: Callable[[list[Any]], Awaitable[list[Any]]]
    ) -> DataLoader[Any, Any]:
        loader = self._loaders.get(key)
        if loader is None:
            loader = self._loaders[key] = DataLoader(load_fn=answer)
        return loader

    def forget(self) -> None:
        """Drop what was loaded: a mutation makes it old."""
        self._loaders.clear()


Info = strawberry.Info[Context, None]


def acting(info: Info) -> Viewer:
    """Give the viewer to a mutation, after which everything is read afresh."""
    info.context.forget()
    return info.context.viewer


def given(value: R | None) -> R | None:
    """Read an optional argument: one that was left out is as good as null."""
    return None if value is strawberry.UNSET else value


def listed(info: Info, field_name: str, items: list[R]) -> list[R]:
    """Refuse lists that are empty or too long. Raises `Invalid`."""
    most = info.context.viewer.settings.list_input
    if not 1 <= len(items) <= most:
        raise Invalid(**{field_name: f"Give 1 to {most}."})
    return items
