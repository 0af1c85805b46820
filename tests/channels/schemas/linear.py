"""The inputs of Linear's GraphQL schema that are used, as published in `@linear/sdk`."""

from typing import Annotated

from pydantic import Field, RootModel

from tests.channels.schemas.base import Part, units

Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]


class IssueCreateInput(Part):
    id: Uuid
    teamId: str
    title: units(255)
    description: units(50_000)
    priority: Annotated[int, Field(ge=0, le=4)]
    labelIds: list[str] | None = None


class CommentCreateInput(Part):
    id: Uuid
    issueId: str
    body: units(50_000)


class Variables(Part):
    input: IssueCreateInput | CommentCreateInput


class Call(Part):
    query: str
    variables: Variables


Carrying = RootModel[Call]
