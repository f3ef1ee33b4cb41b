"""Layers that several networks share.

May import `interfaces`.
"""
