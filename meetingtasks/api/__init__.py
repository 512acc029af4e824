"""The platform over HTTP: one module per resource, one table of errors, one way to read bodies."""

from meetingtasks.api.application import create_api

__all__ = ["create_api"]
