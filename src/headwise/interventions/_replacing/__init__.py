"""What is put in the place of an activation."""
