"""Compressed chunks of Zarr arrays, decompressed up to the size that the array says they have."""

from __future__ import annotations

import bz2
import dataclasses
import lzma
import math
import zlib
from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
from numcodecs.abc import Codec as Compressor
from numcodecs.zstd import Zstd
from zarr import Array, AsyncArray
from zarr.abc.codec import BytesBytesCodec, Codec
from zarr.codecs import ShardingCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer

#: A chunk may decompress to so many times its size in memory (filters may have made wider numbers of it), and bytes.
_TIMES, _MORE = 2, 2**16
#: Memory in bytes that the decoder of LZMA itself may take.
_DICTIONARY = 2**28
#: Codecs that hardly change the size: layouts, filters and checksums.
_PLAIN = {
    *("bytes", "transpose", "sharding_indexed", "shuffle", "delta", "astype", "fixedscaleoffset", "quantize"),
    *("bitround", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
}


def bounded(array: Array[Any]) -> Array[Any]:
    """Return a Zarr array to read from, whose chunks are decompressed only as far as their size allows.

    Args:
        array: The array.

    Raises:
        ValueError: It has a codec that is not known to be safe.

    Example:
        >>> import zarr
        >>> array = bounded(zarr.array(np.ones((4, 6), np.uint8)))
        >>> array[:].sum().item()
        24
    """
    most = _TIMES * math.prod(array.chunks) * np.dtype(array.dtype).itemsize + _MORE
    metadata: Any = copy(array.metadata)
    if metadata.zarr_format == 2:
        changes: dict[str, Any] = {
            "filters": metadata.filters and tuple(_bounded(one, most) for one in metadata.filters)
        }
        changes["compressor"] = metadata.compressor and _bounded(metadata.compressor, most)
    else:
        changes = {"codecs": tuple(_bounded(one, most) for one in metadata.codecs)}
    for name, value in changes.items():
        object.__setattr__(metadata, name, value)  # no check of what was valid
    source = array.async_array
    return Array(AsyncArray(metadata, source.store_path))


def _bounded(codec: Any, most: int) -> Any:
    """Return a codec of Zarr, or a compressor of version 2, that decodes to no more than so many bytes."""
    name = str(codec.to_dict()["name"] if isinstance(codec, Codec) else codec.codec_id).removeprefix("numcodecs.")
    if isinstance(codec, ShardingCodec):
        return dataclasses.replace(codec, codecs=tuple(_bounded(one, most) for one in codec.codecs))
    if name in _PLAIN:
        _check_types(name, codec)
        return codec
    if name not in _FITS:
        raise ValueError(f"chunks are encoded by {name!r}, expected one of {', '.join(sorted(_FITS))}")
    return _BoundedCodec(codec, name, most) if isinstance(codec, Codec) else _BoundedCompressor(codec, name, most)


def _check_types(name: str, codec: Any) -> None:
    """Raise ``ValueError`` if a filter makes other values than numbers of at most 8 bytes."""
    told: Any = codec.to_dict().get("configuration") if isinstance(codec, Codec) else codec.get_config()
    for key in ("dtype", "astype", "encode_dtype", "decode_dtype"):
        kind = np.dtype((told or {}).get(key) or "u1")
        if kind.kind not in "biuf" or kind.itemsize > 8:
            raise ValueError(f"chunks are filtered by {name!r} to {kind}, expected numbers of at most 8 bytes")


@dataclasses.dataclass(frozen=True)
class _BoundedCodec(BytesBytesCodec):
    """Codec of Zarr that checks the size first."""

    codec: Any
    name: str
    most: int
    is_fixed_size = False

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        _check(self.name, chunk_data.to_bytes(), self.most)
        return await self.codec._decode_single(chunk_data, chunk_spec)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return self.codec.compute_encoded_size(input_byte_length, chunk_spec)


@dataclasses.dataclass(frozen=True)
class _BoundedCompressor:
    """Compressor of Zarr version 2 that checks the size first."""

    codec: Compressor
    name: str
    most: int

    def decode(self, data: Any) -> Any:
        _check(self.name, bytes(data), self.most)
        return self.codec.decode(data)


def _check(name: str, data: bytes, most: int) -> None:
    """Raise ``ValueError`` if a chunk would take more memory than the array says."""
    if not _FITS[name](data, most):
        raise ValueError(
            f"a chunk of {len(data):,} bytes decompresses to more than {most:,}, twice what it should have"
        )


def _header_fits(place: int) -> Callable[[bytes, int], bool]:
    """Return the rule for a format that has the decompressed size at a place of its header."""
    return lambda data, most: int.from_bytes(data[place : place + 4], "little") <= most


def _blosc_fits(data: bytes, most: int) -> bool:
    """Check the compressed size, too: Blosc would read beyond the end of a truncated chunk."""
    if len(data) < 16 or int.from_bytes(data[12:16], "little") != len(data):
        raise ValueError(f"a chunk of {len(data):,} bytes has another size than its header says")
    return _header_fits(4)(data, most)


def _zstd_fits(data: bytes, most: int) -> bool:
    try:
        Zstd().decode(data, np.empty(most, np.uint8))
    except RuntimeError as error:
        return "too small" not in str(error)
    return True


def _stream_fits(start: Callable[[], Any]) -> Callable[[bytes, int], bool]:
    """Return the rule for a format that can be decompressed up to a size."""

    def fits(data: bytes, most: int) -> bool:
        size = 0
        while data and size <= most:
            stream = start()
            size += len(stream.decompress(data, most + 1 - size))
            data = stream.unused_data.lstrip(b"\0")  # the next part, after the end of one and zeros
        return size <= most

    return fits


#: Whether data decompress to no more than so many bytes, by the name of the codec.
_FITS: dict[str, Callable[[bytes, int], bool]] = {
    "blosc": _blosc_fits,
    "lz4": _header_fits(0),
    "zstd": _zstd_fits,
    "gzip": _stream_fits(lambda: zlib.decompressobj(zlib.MAX_WBITS | 32)),
    "zlib": _stream_fits(zlib.decompressobj),
    "bz2": _stream_fits(bz2.BZ2Decompressor),
    "lzma": _stream_fits(lambda: lzma.LZMADecompressor(memlimit=_DICTIONARY)),
}
