"""What both reference applications share: environment, logs, health, waiting.

The two build contexts each hold a copy, because a Docker build cannot reach outside its context; a test keeps them identical.
"""
