"""The generated messages of Ray's protocol, from their definition in the operator."""
