"""The configuration: its tables, where each value came from, and how they become one.

May import `plugins` and `interfaces`; torch-free.
"""
