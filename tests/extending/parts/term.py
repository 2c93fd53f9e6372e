"""A term: generated windows should be as well in sync as the true ones, not better."""

from torch import Tensor

from lipsync.data.inputs import Span
from lipsync.features import feature_of
from lipsync.training.frozen import Frozen
from lipsync.training.step import Step
from lipsync.training.terms import Term, check_alike


class SyncAsReal(Term):
    """Mean difference of a frozen expert's cosine between generated and true windows.

    Args:
        expert: a trained expert: its path or name.
        weight: in the objective.
    """

    def __init__(self, expert="syncnet-open", weight=1.0):
        super().__init__(weight)
        self.expert = Frozen(expert)  # no part of checkpoints, which record its hash

    def attach(self, name, networks):
        self.name = name
        check_alike(
            f"give another model.loss.{name}.expert",
            generator=networks["generator"],
            expert=self.expert.network,
        )

    def span(self) -> Span:
        """The sound that it needs, and the number of frames in its windows."""
        expert = self.expert.network
        return Span(feature_of(expert), expert.config["window"])

    def forward(self, step: Step) -> Tensor:
        expert = self.expert.network
        audio = expert.embed_audio(step.spans[self.name])
        painted, real = (
            expert.embed_face(expert.see(windows[:, : expert.config["window"]]))
            for windows in (step.fake, step.target)
        )
        return (audio * (painted - real)).sum(dim=1).abs().mean()
