"""Benchmarks: each command times its subject and writes its own section of docs/benchmarks.md."""
