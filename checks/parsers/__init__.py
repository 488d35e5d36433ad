"""Parsers: the text of one command in, dataclasses out; every value knows the 1-based line it came from."""
