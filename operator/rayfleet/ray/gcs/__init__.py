"""The client of a head's GCS (Ray's control store), over gRPC."""
