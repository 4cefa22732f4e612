"""Tests of what is installed, as opposed to what is in the checkout."""
