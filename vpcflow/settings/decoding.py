"""Settings → the codec's options. Apart from `vpcflow.wiring`, so that a Lambda that only transforms imports no client."""

from __future__ import annotations

from vpcflow.codec import CodecOptions, FormatRule
from vpcflow.codec.formats import FormatError, parse_format
from vpcflow.codec.stamps import index_namer
from vpcflow.errors import ConfigError
from vpcflow.settings.model import Settings

__all__ = ["codec_options"]


def codec_options(settings: Settings, *, event_id: bool = False) -> CodecOptions:
    """Return the options; `event_id` as in `CodecOptions`.

    Raises:
        ConfigError: a line format or an index name that cannot be read, with its key.
    """
    rules = []
    for number, entry in enumerate(settings.codec.formats):
        form = entry.format if isinstance(entry.format, str) else tuple(entry.format)
        try:
            parse_format(form)
        except FormatError as error:
            raise ConfigError(f"codec.formats[{number}].format: {error}") from error
        rules.append(
            FormatRule(format=form, log_group=entry.log_group, log_stream=entry.log_stream, source=entry.source)
        )
    if settings.index.mode == "pattern":
        try:
            index_namer(settings.index.name)
        except ValueError as error:
            raise ConfigError(f"index.name: {error}") from error
    return CodecOptions(
        shape=settings.document.shape,
        event_original=settings.document.event_original,
        namespace=settings.document.namespace,
        tags=tuple(settings.document.tags),
        formats=tuple(rules),
        include_log_groups=tuple(settings.codec.include_log_groups),
        exclude_log_groups=tuple(settings.codec.exclude_log_groups),
        index_mode=settings.index.mode,
        index_name=settings.index.name,
        ids=not settings.index.accept_duplicates,
        event_id=event_id,
        max_inflated_bytes=settings.limits.max_inflated_bytes,
        max_line_bytes=settings.limits.max_line_bytes,
        time_past_days=settings.limits.time_past_days,
        time_future_days=settings.limits.time_future_days,
    )
