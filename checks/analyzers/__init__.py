"""Analyzers: pure questions over facts; no text, no I/O, no verdicts of their own."""
