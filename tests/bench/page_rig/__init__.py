"""Runs of any size whose answers are made up, written through the same code that workers use."""
