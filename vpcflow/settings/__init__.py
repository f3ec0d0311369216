"""Settings: the model, loading, and the page of documentation made of it."""
