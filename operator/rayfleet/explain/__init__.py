"""Why a cluster has the size that it has, and what would change it. Asked by the command line."""
