"""Values: the custom resource, its names and labels, and what a look at a stack has seen.

Imports nothing else of the operator.
"""
