"""Several processes that train one run.

May import what `training` may; `env` and `launch` are torch-free.
"""
