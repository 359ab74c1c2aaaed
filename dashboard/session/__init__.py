"""What a session holds: the pictures that a person looks at, work in the background, and who is still there. Nothing here draws."""
