"""A smoke run on real AWS: makes a stack, sends known flow logs, looks for their documents, takes everything away again.

`python -m deploy.smoke --help`, from the root of the clone. See docs/smoke.md.
"""
