"""The Lambda for S3 through SQS, S3 events, CloudWatch Logs subscriptions and Kinesis event sources."""
