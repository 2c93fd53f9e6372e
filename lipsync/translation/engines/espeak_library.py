"""A stand-alone program that speaks with the library of ``espeakng-loader``, with a subset of
espeak-ng's options.

Run by :mod:`lipsync.translation.engines.espeak` as a separate process, because the library is GPL.
"""

import argparse
import ctypes
import sys
import wave

_SYNCHRONOUS, _UTF8, _OK = 2, 1, 0
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def main() -> None:
    """Read UTF-8 text from stdin, write a WAV file."""
    import espeakng_loader

    parser = argparse.ArgumentParser()
    parser.add_argument("-b")
    parser.add_argument("-v", required=True)
    parser.add_argument("-w", required=True)
    parser.add_argument("--stdin", action="store_true")
    options = parser.parse_args()

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0:
        sys.exit("the library does not start")
    if library.espeak_SetVoiceByName(options.v.encode()) != _OK:
        sys.exit("no such voice")
    blocks: list[bytes] = []

    def collect(samples, count, _events) -> int:
        if samples and count > 0:
            blocks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(collect)  # keep a reference: the library calls it
    library.espeak_SetSynthCallback(callback)
    text = sys.stdin.buffer.read() + b"\0"
    library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    with wave.open(options.w, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(blocks))


if __name__ == "__main__":
    main()
