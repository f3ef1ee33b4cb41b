"""Commands that look: at data, at plugins, at a run or a file, at the machine.

It has no components; its commands are found by the entry-point group `vidgan.commands`.
"""
