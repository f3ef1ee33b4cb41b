"""Batches: which clips, read ahead of the trainer, on the device as floats.

May import `media`, `config`, `plugins` and `interfaces`.
"""
