"""A small film shop: products, people with roles, and stask-web inside its own admin."""
