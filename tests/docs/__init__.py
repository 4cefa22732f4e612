"""Tests of the documents: what they link to, what they tell people to type, and what they say of the code."""
