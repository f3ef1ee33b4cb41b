"""The one way to open a video file: as a file, with bounds, whatever its name and tags say.

Free of torch: the processes that check files start from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vidgan_core.media.member import File

# Containers that hold their pictures themselves: no playlist, no pattern, no device, no address.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,ogg,flv,asf,mpeg,mpegts,mpegvideo,"
    "mxf,dv,nut,ivf,m4v,h264,hevc,obu,mjpeg,rm,yuv4mpegpipe,swf,amv,smjpeg"
)
SAFE = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
MAX_PIXELS = 2**26  # of a frame, where the caller states no limit: 8192 x 8192
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_NOT_THE_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def open_video(path: File, *, max_pixels: int = MAX_PIXELS, **options: Any) -> InputContainer:
    """Open a video file: as a file, never as an address, a pattern or a playlist.

    Tags that are not UTF-8 are no reason to refuse the pictures. Raises OSError or av.FFmpegError.
    """
    bounded = SAFE | {"max_pixels": str(max_pixels)} | options
    file: Any = f"file:{path}" if isinstance(path, Path) else path.open()
    container: InputContainer = av.open(file, options=bounded, metadata_errors="replace")
    return container


def best_stream(container: InputContainer) -> VideoStream | None:
    """Return the stream that holds the video: no cover, thumbnail or preview; None without one.

    The largest picture decides, then the rate, then the order. The default flag does not: muxers
    set it on whichever stream comes first.
    """
    videos = [s for s in container.streams.video if not s.disposition & _NOT_THE_VIDEO]
    readable = [s for s in videos if s.codec_context is not None]
    return max(readable, key=_size_and_rate, default=None)


def decoder_of(stream: VideoStream) -> Any:
    """Return the codec context that decodes a stream: for alpha in WebM it is not the usual one."""
    name = _ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name, "")
    if stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) != "1" or not name:
        return stream.codec_context
    try:
        decoder: Any = av.CodecContext.create(name, "r")
    except av.codec.codec.UnknownCodecError:  # libraries without libvpx
        return stream.codec_context
    decoder.extradata = stream.codec_context.extradata
    return decoder


def _size_and_rate(stream: VideoStream) -> tuple[int, float, int]:
    return stream.width * stream.height, float(stream.average_rate or 0), -stream.index


def reason(error: Exception) -> str:
    """Return an error's message without the path, which the caller prints, escaped."""
    if isinstance(error, OSError | av.FFmpegError) and error.strerror:
        return str(error.strerror)
    return str(error) or type(error).__name__
