"""Real sockets in every state, in network namespaces of their own."""
