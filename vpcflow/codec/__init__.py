"""The codec: bytes in, documents out. No I/O, no clock, no logging, no environment.

`Decoder(options).decode(data, origin)` is all that programs need.
"""

from vpcflow.codec.decoder import Decoder
from vpcflow.codec.formats import FormatError, LineFormat, parse_format
from vpcflow.codec.options import CodecOptions, FormatRule

__all__ = ["CodecOptions", "Decoder", "FormatError", "FormatRule", "LineFormat", "parse_format"]
