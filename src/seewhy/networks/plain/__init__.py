"""Small Keras networks that numpy alone computes: no framework is imported for them."""
