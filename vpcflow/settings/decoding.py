"""Settings → the codec's options. Apart from `vpcflow.wiring`, so that a Lambda that only transforms imports no client."""

from __future__ import annotations

from vpcflow.codec import CodecOptions, FormatRule
from vpcflow.codec.filters import FilterError, compile_filter
from vpcflow.codec.formats import FormatError, parse_format
from vpcflow.codec.labels import Labels
from vpcflow.codec.networks import NetworkError, checked_network
from vpcflow.codec.stamps import index_namer
from vpcflow.errors import ConfigError
from vpcflow.settings.model import Settings
from vpcflow.settings.routes import Route, Routes

__all__ = ["checked_options", "codec_options"]


def codec_options(settings: Settings, *, event_id: bool = False, with_labels: bool = True) -> CodecOptions:
    """Return the options.

    Args:
        settings: of the program.
        event_id: as in `CodecOptions`.
        with_labels: read the label files; False for those who decode nothing, but ask for the target or the template.

    Raises:
        ConfigError: a line format, an expression, a CIDR, an index name or a label file that cannot be read, with its key.
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
    _check_filter(settings)
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
        include=tuple(settings.filter.include),
        exclude=tuple(settings.filter.exclude),
        labels=_labels(settings) if with_labels else None,
        internal_cidrs=tuple(settings.labels.internal_cidrs),
        index_mode=settings.index.mode,
        index_name=settings.index.name,
        ids=not settings.index.accept_duplicates,
        event_id=event_id,
        max_inflated_bytes=settings.limits.max_inflated_bytes,
        max_line_bytes=settings.limits.max_line_bytes,
        time_past_days=settings.limits.time_past_days,
        time_future_days=settings.limits.time_future_days,
    )


def checked_options(routes: Routes, *, with_labels: bool) -> list[tuple[Route, str, CodecOptions]]:
    """Return the options of each output of each input.

    Args:
        routes: all of them.
        with_labels: as `codec_options`.

    Raises:
        ConfigError: as `codec_options`, with the whole path of the key, such as `outputs.archive.filter.include[0]`.
    """
    found = []
    for route in routes:
        for name, settings in route.outputs.items():
            try:
                found.append((route, name, codec_options(settings, with_labels=with_labels)))
            except ConfigError as error:
                raise ConfigError(route.path_of(name, str(error)), exit_code=error.exit_code) from error
    return found


def _check_filter(settings: Settings) -> None:
    for number, cidr in enumerate(settings.labels.internal_cidrs):
        try:
            checked_network(cidr)
        except NetworkError as error:
            raise ConfigError(f"labels.internal_cidrs[{number}]: {error}") from error
    try:
        compile_filter(settings.filter.include, settings.filter.exclude, settings.labels.internal_cidrs)
    except FilterError as error:
        raise ConfigError(f"filter.{error.key}[{error.number}]: {error}") from error


def _labels(settings: Settings) -> Labels | None:
    if not settings.labels.files:
        return None
    from vpcflow.settings.label_files import read_labels

    return read_labels(settings)
