"""Tests of the OpenStack driver: its pure parts by themselves, all of it on a real cloud."""
