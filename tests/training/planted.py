"""Training runs with a fault planted in one of two processes."""

import os

from lipsync.training import ExpertTraining


class SilentProcess(ExpertTraining):
    """In process ``PLANTED_IN`` the second batch's sound is NaN."""

    def training_step(self, batch, batch_idx):
        if self.batches_done == 1 and self.global_rank == int(os.environ["PLANTED_IN"]):
            batch["sound_expert"].fill_(float("nan"))
        super().training_step(batch, batch_idx)
