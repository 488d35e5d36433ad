"""The runbook file: parse, lint, judge by the author's rules, render. Pure Python, usable without a site."""
