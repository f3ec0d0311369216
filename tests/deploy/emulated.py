"""A delivery stream of a template, emulated: see tests/firehose."""

from __future__ import annotations

from tests.deploy.template import Stack
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.invocation import in_process
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.flows import our_handler
from tests.firehose.scene import clock


def emulated(stack: Stack) -> DeliveryStream:
    """Return a stream to S3 that is set as the template sets it."""
    about = stack.one("AWS::KinesisFirehose::DeliveryStream")["ExtendedS3DestinationConfiguration"]
    (function,) = stack.resources("AWS::Lambda::Function").values()
    time = clock()
    (processor,) = about["ProcessingConfiguration"]["Processors"]
    given = {one["ParameterName"]: one["ParameterValue"] for one in processor["Parameters"]}
    handler = our_handler(time, function["Environment"]["Variables"])
    return DeliveryStream(
        stack.parameter("Name"),
        S3Destination(
            megabytes=about["BufferingHints"]["SizeInMBs"],
            seconds=about["BufferingHints"]["IntervalInSeconds"],
            partitioned="DynamicPartitioningConfiguration" in about,
        ),
        clock=time,
        processing=Processing(
            invoke=in_process(handler, time, timeout=function["Timeout"]),
            megabytes=given["BufferSizeInMBs"],
            seconds=given["BufferIntervalInSeconds"],
            retries=given["NumberOfRetries"],
        ),
        prefix=about["Prefix"],
        error_prefix=about["ErrorOutputPrefix"],
    )
