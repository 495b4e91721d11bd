"""Mutation testing of the most important modules: one small change at a time, and some test has to fail.

Libraries for this start the tests, and their servers, anew for each change. Here one process imports everything and
starts the servers, and each change is made in a forked child. A child runs only the tests that reach the changed line,
and stops at the first failure.
"""
