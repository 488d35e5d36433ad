"""Probes: one file per family; each names its parameters, collectors, facts, rules, thresholds and sources, and judges."""
