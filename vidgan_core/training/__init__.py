"""Training: the engine, the parts of a run, its state, its average and its steps.

May import everything below it: `runs`, `data`, `media`, `nn`, `config`, `plugins`, `interfaces`.
"""
