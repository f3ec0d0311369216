"""What nobody will ever take, kept with its reason: durable before anything is settled."""
