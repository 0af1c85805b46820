"""An issue and a comment, after Jira's REST documentation and the published schema of the Atlassian Document Format."""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from tests.channels.schemas.base import Part, units

TEXT_LIMIT = 32_767


class Strong(Part):
    type: Literal["strong"]


class LinkTarget(Part):
    href: Annotated[str, Field(pattern=r"^https?://\S+$")]


class LinkMark(Part):
    type: Literal["link"]
    attrs: LinkTarget


class Text(Part):
    type: Literal["text"]
    text: Annotated[str, Field(min_length=1)]
    marks: list[Strong | LinkMark] | None = None


class BareText(Part):
    """Text in a block of code has no marks."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1)]


class Paragraph(Part):
    type: Literal["paragraph"]
    content: list[Text]


class ListItem(Part):
    type: Literal["listItem"]
    content: Annotated[list[Paragraph], Field(min_length=1)]


class BulletList(Part):
    type: Literal["bulletList"]
    content: Annotated[list[ListItem], Field(min_length=1)]


class Language(Part):
    language: str


class CodeBlock(Part):
    type: Literal["codeBlock"]
    attrs: Language
    content: list[BareText]


class Document(Part):
    type: Literal["doc"]
    version: Literal[1]
    content: list[Paragraph | BulletList | CodeBlock]


class Project(Part):
    key: str | None = None
    id: str | None = None


class Named(Part):
    name: str


class Fields(Part):
    project: Project
    issuetype: Named
    summary: Annotated[units(255), Field(pattern=r"^[^\r\n]+$")]
    description: Document | units(TEXT_LIMIT)
    labels: list[Annotated[str, Field(pattern=r"^\S{1,255}$")]] | None = None
    priority: Named | None = None


class Issue(Part):
    fields: Fields


class Comment(Part):
    body: Document | units(TEXT_LIMIT)


Carrying = RootModel[Issue | Comment]
