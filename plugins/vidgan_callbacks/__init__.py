"""What watches a run through the lifecycle hooks: progress, metrics, pictures.

The trainer and the run know none of them.
"""
