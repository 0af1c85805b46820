"""What the vendors' pages say of a body, as strict models: no other key, no other type, no longer text."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError


class Part(BaseModel):
    """A JSON object with these keys and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


def units(most: int, measure=len, least: int = 1):
    """A text between `least` and `most` in the vendor's own unit."""

    def check(text: str) -> str:
        if not least <= measure(text) <= most:
            raise ValueError(f"measures {measure(text)}, expected {least} to {most}")
        return text

    return Annotated[str, AfterValidator(check)]


def utf8(text: str) -> int:
    return len(text.encode())


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def faults(model: type[BaseModel], body: bytes, most: int | None = None) -> list[str]:
    """What in a body does not agree with the model, or that it is larger than `most` bytes."""
    found = [f"{len(body)} bytes"] if most is not None and len(body) > most else []
    try:
        model.model_validate_json(body)
    except ValidationError as error:
        found += [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return found
