"""Video and pictures on disk: read safely, written, marked as generated.

May import the ground floor alone.
"""
