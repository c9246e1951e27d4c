"""How pods leave: deletion of the cluster, scaling down, and nodes that Ray has given up."""
