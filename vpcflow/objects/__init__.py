"""S3 objects of flow logs: from a notification, or a listing, to blocks of lines."""
