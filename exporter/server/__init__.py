"""HTTP: connections, routes, who may ask. Never knows what the bytes mean that it serves."""
