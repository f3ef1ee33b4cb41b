"""Numbers about generated clips that carry their protocol, their error and their floor."""
