module rayfleet.io/testbed/pause

go 1.26.0
