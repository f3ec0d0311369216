"""Metrics that alarms may ask for: namespace and name → dimensions, and the page that names them."""

from __future__ import annotations

from vpcflow.metrics.catalog import ALL, Counter

_FIREHOSE = "https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"
_LOGS = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html"
_SQS = (
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"
)
_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html"
_KINESIS = "https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html"
_ECS = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html"

_OF_FUNCTIONS = (
    "AsyncEventAge",
    "AsyncEventsDropped",
    "DestinationDeliveryFailures",
    "Duration",
    "Errors",
    "Invocations",
    "IteratorAge",
    "Throttles",
)
_OF_QUEUES = ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent")

METRICS: dict[tuple[str, str], tuple[set[str], str]] = {
    **{("AWS/Lambda", name): ({"FunctionName"}, _LAMBDA) for name in _OF_FUNCTIONS},
    **{("AWS/SQS", name): ({"QueueName"}, _SQS) for name in _OF_QUEUES},
    ("AWS/Logs", "ForwardedLogEvents"): ({"LogGroupName", "DestinationType", "FilterName"}, _LOGS),
    **{
        ("AWS/Firehose", name): ({"DeliveryStreamName"}, _FIREHOSE)
        for name in (
            "DeliveryToAmazonOpenSearchService.AuthFailure",
            "DeliveryToAmazonOpenSearchService.DataFreshness",
            "DeliveryToAmazonOpenSearchService.Success",
            "DeliveryToHttpEndpoint.DataFreshness",
            "DeliveryToHttpEndpoint.Success",
            "DeliveryToS3.DataFreshness",
            "DeliveryToS3.Success",
            "ExecuteProcessing.Success",
            "IncomingRecords",
            "ThrottledRecords",
        )
    },
    **{
        ("AWS/Kinesis", name): ({"StreamName"}, _KINESIS)
        for name in (
            "GetRecords.IteratorAgeMilliseconds",
            "GetRecords.Success",
            "IncomingRecords",
            "ReadProvisionedThroughputExceeded",
            "WriteProvisionedThroughputExceeded",
        )
    },
    ("AWS/ECS", "CPUUtilization"): ({"ClusterName", "ServiceName"}, _ECS),
    ("AWS/S3", "BytesUploaded"): ({"BucketName", "FilterId"}, _S3),
}

# What `vpcflow.metrics.emf` can write: the value of a label is part of the name.
OURS = {f"{metric.name}_{value}" for metric in ALL if isinstance(metric, Counter) for value in metric.values} | {
    metric.name for metric in ALL if isinstance(metric, Counter) and not metric.labels
}
