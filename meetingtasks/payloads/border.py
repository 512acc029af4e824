"""The border where a mapping from outside becomes a payload, or an error that names each field and its remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meetingtasks.errors import InvalidPayload, PayloadTooLarge
from meetingtasks.payloads.json_value import WHOLE_PAYLOAD, JsonProblem, check_json, shown

ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_PROBLEMS: Final = 20  # listed in the details
_IN_MESSAGE: Final = 3  # told in the message itself

# problems that complete a sentence which begins with the field's name
_PREDICATES: Final = ("must ", "is ", "nested ")

_TEXTS: Final = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_unicode": "must be valid unicode",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "datetime_type": "must be a time such as 2026-02-21T09:00:00+08:00",
    "timezone_aware": "must carry an offset from UTC, such as Z or +08:00",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must not be empty",  # no field asks for more than one
    "too_long": "must have at most {max_length} {things}",
}


@dataclass(frozen=True)
class Problem:
    """One refused field: the way to it and what is wrong."""

    path: tuple[str | int, ...]
    text: str

    @property
    def pointer(self) -> str:
        """The field as a JSON pointer (RFC 6901) below ``/payload``."""
        parts = (shown(str(part)).replace("~", "~0").replace("/", "~1") for part in self.path)
        return "/".join(["/payload", *parts])

    @property
    def sentence(self) -> str:
        """What is wrong, with the field's name."""
        if self.text.startswith(_PREDICATES):
            return f"{self._name} {self.text}"
        if not self.path or self.text.startswith(("unknown field ", "invalid unicode ")):
            return self.text
        return f"{self._name}: {self.text}"

    @property
    def _name(self) -> str:
        name = ""
        for part in self.path:
            name += f"[{part}]" if isinstance(part, int) else f".{shown(part)}"
        return name.removeprefix(".") or "payload"


def validate(model: type[ModelT], data: Mapping[str, Any]) -> ModelT:
    """Return ``data`` as ``model``; InvalidPayload or PayloadTooLarge list every refused field.

    ``data`` is what a JSON document gives. The error's ``details["fields"]`` holds up to 20
    ``{"field": "/payload/…", "problem": "…"}``; no refused value is repeated, since it may be a secret.
    """
    if not isinstance(data, Mapping):
        raise _invalid([Problem((), "must be a JSON object")])
    try:
        check_json(data, WHOLE_PAYLOAD)
    except JsonProblem as problem:
        raise _invalid([Problem(problem.path, problem.text)], too_large=problem.too_large) from None
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    too_large = any(detail["type"] == "payload_too_large" for detail in found)
    problems = [_problem(detail, model, data) for detail in found[:MAX_PROBLEMS]]
    raise _invalid(problems, too_large=too_large, count=len(found))


def _invalid(problems: list[Problem], *, too_large: bool = False, count: int = 1) -> InvalidPayload | PayloadTooLarge:
    message = "; ".join(problem.sentence for problem in problems[:_IN_MESSAGE])
    if count > _IN_MESSAGE:
        message += f"; and {count - _IN_MESSAGE} more"
    fields = [{"field": problem.pointer, "problem": problem.text} for problem in problems]
    return (PayloadTooLarge if too_large else InvalidPayload)(message, fields=fields)


def _problem(detail: ErrorDetails, model: type[BaseModel], data: Mapping[str, Any]) -> Problem:
    # a refused key of an object is told where its value would stand
    path = tuple(part for part in detail["loc"] if part != "[key]")
    kind = detail["type"]
    context = {name: _plain(value) for name, value in detail.get("ctx", {}).items()}
    if kind == "extra_forbidden":
        return Problem(path, _unknown_field(path, model, data))
    if kind == "literal_error":
        # pydantic writes 'a', 'b' or 'c'
        allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return Problem(path, f"must be one of {allowed}")
    if kind in _TEXTS:
        # pydantic calls a text whose validator has run a "Value", and lists and objects by their type
        things = "characters" if context.get("field_type") == "Value" else "items"
        return Problem(path, _TEXTS[kind].format(**context, things=things))
    return Problem(path, shown(detail["msg"], 200))


def _plain(value: object) -> object:
    """Return a bound as people write it: 97, not 97.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unknown_field(path: tuple[str | int, ...], model: type[BaseModel], data: Mapping[str, Any]) -> str:
    name = str(path[-1])
    if len(path) > 1:  # the names of a nested object's fields are not looked up
        return f"unknown field {shown(name)}"
    names = dict(_accepted_names(model))
    if name in names:
        given = next((n for n, field in names.items() if field == names[name] and n in data and n != name), names[name])
        return f"unknown field {name}: it is another name of {given}, which is given too"
    near = difflib.get_close_matches(name[:100], names, n=1)
    return f"unknown field {shown(name)}" + (f"; did you mean {near[0]}?" if near else "")


def _accepted_names(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield every name under which a field is accepted, with the field's own name."""
    for name, field in model.model_fields.items():
        yield name, name
        if isinstance(field.validation_alias, AliasChoices):
            yield from ((str(choice), name) for choice in field.validation_alias.choices)
