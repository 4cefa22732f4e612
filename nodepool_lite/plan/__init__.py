"""Decisions, and nothing else: `plan(view, config, now) -> list[Action]`, one small planner in each module.

No I/O, no clock, no randomness, no logging in here. See docs/architecture.md.
"""
