"""What clusters share: GPUs, and the ceilings on them."""
