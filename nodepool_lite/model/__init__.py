"""The words of the pool: frozen records, their states, and which change of state is legal."""
