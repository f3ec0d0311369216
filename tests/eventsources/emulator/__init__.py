"""What calls a Lambda function in AWS: event source mappings of SQS and Kinesis, and asynchronous invocation."""
