"""The Kubernetes objects of a RayJob, built from its spec as plain JSON: no clock, no I/O, no mutation.

Templates are the user's JSON and are judged by the API server, not here, as in `kinds/raycluster/manifests`.
"""
