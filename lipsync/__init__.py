"""Train, measure and use lip-sync models: SyncNet experts, LipGAN and Wav2Lip generators.

Conventions that hold everywhere inside the package:

* pixels are **RGB**, uint8 ``(height, width, 3)`` on disk and in loaders, float in [0, 1] from the
  transfer to the device on, laid out ``(batch, time, channel, height, width)``; the published
  weights are BGR, and only :mod:`lipsync.checkpoints` knows that;
* video is 25 frames a second, sound 16 kHz mono float32 in [-1, 1];
* a mel spectrogram has 80 bins and 80 columns a second; a window is 5 frames or 16 columns.
"""

__version__ = "0.1.0"
