"""A run's folder on disk: checkpoints, metrics, the record of its environment.

May import `config`, `plugins` and `interfaces`.
"""
