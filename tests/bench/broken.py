"""An engine that does not compute what it should: one weight of the network is another."""
from minicnn.bench.ours import Minicnn


class Broken(Minicnn):
    def build(self, folder, training, settings):
        step = super().build(folder, training, settings)
        next(step.model.parameters()).data[0] *= 1.5
        return step


if __name__ == "__main__":
    Broken().serve()
