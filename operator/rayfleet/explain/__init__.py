"""Why a cluster has its size, and what would change it. Used by the command line."""
