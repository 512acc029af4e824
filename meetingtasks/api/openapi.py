"""The OpenAPI document: what FastAPI finds, the bodies that we read ourselves, and how a caller shows who it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from meetingtasks.api.body import DESCRIBES
from meetingtasks.api.guard import OPEN, rule_of
from meetingtasks.api.problems import ProblemBody

_REF: Final = "#/components/schemas/{model}"


def document(api: FastAPI, routes: Mapping[str, APIRoute]) -> dict[str, Any]:
    """Return the document of an application with these routes by path, made once."""
    if api.openapi_schema is None:
        api.openapi_schema = _made(api, routes)
    return api.openapi_schema


def _made(api: FastAPI, routes: Mapping[str, APIRoute]) -> dict[str, Any]:
    found = get_openapi(title=api.title, version=api.version, description=api.description, routes=api.routes)
    bodies = {path: model for path, route in routes.items() for model in _bodies(route.dependant)}
    refs, shared = models_json_schema([(model, "validation") for model in set(bodies.values())], ref_template=_REF)
    components = found.setdefault("components", {})
    components.setdefault("schemas", {}).update(shared.get("$defs", {}))
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, route in routes.items():
        for method in route.methods or ():
            operation = found["paths"][path.partition(" ")[2]][method.lower()]
            rule = rule_of(route)
            if rule != OPEN:
                operation["security"] = [{"bearer": [rule]}]
                _tell_errors(operation["responses"])
            if path in bodies:
                schema = refs[bodies[path], "validation"]
                body = operation.setdefault("requestBody", {"required": True, "content": {}})
                body["content"]["application/json"] = {"schema": schema}
    return found


def _tell_errors(responses: dict[str, Any]) -> None:
    """Say that errors are told in our one form, whatever a route's good answers are; FastAPI guesses others."""
    for status, answer in responses.items():
        if status >= "400":
            answer["content"] = {"application/json": {"schema": {"$ref": _REF.format(model=ProblemBody.__name__)}}}


def _bodies(dependant: Dependant) -> Iterator[type[BaseModel]]:
    for need in dependant.dependencies:
        model = getattr(need.call, DESCRIBES, None)
        if model is not None:
            yield model
        yield from _bodies(need)
