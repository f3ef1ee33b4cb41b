"""The version of vidgan, in a module that imports nothing: every other one may ask for it."""

__version__ = "0.2.0"
