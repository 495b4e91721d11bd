"""`make bench`: how fast, in how much memory, and beside whom. `registry.py` names the benches."""
