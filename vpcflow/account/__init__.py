"""What an AWS account says about its flow logs: their formats, and the names of its interfaces."""
