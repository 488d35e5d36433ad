"""The OpenAPI document, made exact: errors are problem+json, an accepted run has its address, a run can be read as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PROBLEM = {"$ref": "#/components/schemas/Problem"}
TEXT = {"schema": {"type": "string"}, "example": "OK · Toy\n2 of 2 checks, 1 of 1 host\n"}
LOCATION = {"description": "where the run can be read", "schema": {"type": "string", "format": "uri"}}
ETAG = {"description": "the hash of the revision, in quotes", "schema": {"type": "string"}}
RETRY = {"description": "seconds to wait", "schema": {"type": "integer"}}
NO_DATABASE = {"description": "The database does not answer; ask again", "headers": {"Retry-After": RETRY}}
FULL = {"description": "The disk for results is full; no host was asked"}


def describe(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document that the framework made, with what it cannot know."""
    made = dict(document)
    for operation in _operations(made):
        answers = {str(status): answer for status, answer in operation["responses"].items()}
        answers["503"] = {**NO_DATABASE, "content": {"application/json": {"schema": PROBLEM}}}
        if operation["operationId"] == "start_run":
            answers["202"]["headers"] = {"Location": LOCATION}
            answers["507"] = {**FULL, "content": {"application/json": {"schema": PROBLEM}}}
        if operation["operationId"] == "read_run":
            answers["200"]["content"]["text/plain"] = TEXT
        if operation["operationId"] == "read_runbook":
            answers["200"]["headers"] = {"ETag": ETAG}
        for status, answer in answers.items():
            if int(status) >= 400:
                answer["content"] = {"application/problem+json": answer["content"]["application/json"]}
        operation["responses"] = dict(sorted(answers.items(), key=lambda one: int(one[0])))
    return made


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()
