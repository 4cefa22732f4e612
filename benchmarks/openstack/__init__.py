"""The pool beside Nodepool 11 and beside plain requests, on one and the same real OpenStack."""
