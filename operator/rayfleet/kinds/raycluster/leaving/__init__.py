"""How pods leave: the states on the way, the one path to the actions, and nodes that Ray has drained."""
