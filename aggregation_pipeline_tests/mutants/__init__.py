"""Mutation testing of the modules that everything rests on: one small change at a time, and some test has to fail.

The libraries for it start the tests anew for each change, and so a server too. Here each change is made in a forked
child of one process that has imported everything and started the servers; a child runs only the tests that reach the
changed line, and stops at the first that fails.
"""
