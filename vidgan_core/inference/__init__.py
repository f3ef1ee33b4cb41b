"""A trained generator: loaded from a checkpoint that may be hostile, and sampled.

May import everything but `testing` and `cli`.
"""
