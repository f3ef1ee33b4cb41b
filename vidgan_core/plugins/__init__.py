"""Components by name: discovery of installed plugins, their records, hooks, options and recipes.

May import `interfaces`; listing components loads no torch.
"""
