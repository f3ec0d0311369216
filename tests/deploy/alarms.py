"""Metrics that alarms may ask for: namespace and name → dimensions, and the page that names them."""

from __future__ import annotations

from vpcflow.metrics.catalog import ALL, Counter

_FIREHOSE = "https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"
_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html"

METRICS: dict[tuple[str, str], tuple[set[str], str]] = {
    **{("AWS/Lambda", name): ({"FunctionName"}, _LAMBDA) for name in ("Duration", "Errors", "Throttles")},
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
    ("AWS/S3", "BytesUploaded"): ({"BucketName", "FilterId"}, _S3),
}

# What `vpcflow.metrics.emf` can write: the value of a label is part of the name.
OURS = {f"{metric.name}_{value}" for metric in ALL if isinstance(metric, Counter) for value in metric.values} | {
    metric.name for metric in ALL if isinstance(metric, Counter) and not metric.labels
}
