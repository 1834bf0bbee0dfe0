"""The measured budgets: every line a ratio or a wall time from one run, kept with machine and versions.

Benchmarks are not tests: nothing here asserts a time.
"""
