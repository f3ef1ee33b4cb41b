"""`vidgan apply`: a trained generator on a user's own video, of any length and size.

It has no components; its command is found by the entry-point group `vidgan.commands`.
"""
