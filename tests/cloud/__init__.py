"""Tests on a real OpenStack, and the commands that bring it up and down."""
