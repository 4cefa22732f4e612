"""The pool on real parts, while everything is done to them: killed, frozen, cut off, with clocks that jump."""
