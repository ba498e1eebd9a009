"""Receptive fields against what they are: the pixels that the gradient of one number reaches; and against counts for known networks."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models, nn


class Two(nn.Module):
    """Two paths that meet."""

    def __init__(self, narrow, wide):
        super().__init__()
        self.narrow, self.wide = narrow, wide

    def forward(self, x):
        return F.relu(self.narrow(x) + self.wide(x))


class Last(nn.Module):
    """Through channels last and back."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, (1, 5))

    def forward(self, x):
        return self.conv(x.permute(0, 2, 3, 1).permute(0, 3, 1, 2)[:, :, ::2])


NETWORKS = {
    "convolutions": nn.Sequential(nn.Conv2d(1, 2, (3, 5), (2, 1)), nn.Conv2d(2, 2, 3, dilation=(1, 2)), nn.Conv2d(2, 1, (2, 3), 2)),
    "pooling": nn.Sequential(nn.AvgPool2d(3, 2), nn.Conv2d(1, 2, 3), nn.AvgPool2d((2, 3))),
    "transposed": nn.Sequential(nn.Conv2d(1, 2, 3, 2), nn.ConvTranspose2d(2, 2, 3, 2), nn.Conv2d(2, 1, 3)),
    "two paths": nn.Sequential(nn.Conv2d(1, 2, 3, 2), Two(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, (1, 7), padding=(0, 3))), nn.Conv2d(2, 1, 3)),
    "channels last and every other row": nn.Sequential(nn.Conv2d(1, 2, 3), Last(), nn.Conv2d(2, 1, 3)),
    "shift": nn.Sequential(nn.Conv2d(1, 18, 1), nn.Shift(3), nn.Conv2d(18, 18, 1), nn.Shift(3), nn.Conv2d(18, 1, 1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_field_is_where_the_gradient_goes(name):
    """With positive weights and inputs nothing cancels: the gradient of an output in the middle is not 0 exactly on its field."""
    network = NETWORKS[name]
    for p in network.parameters():
        p.detach().write(np.abs(np.random.default_rng(0).standard_normal(p.shape)) + 0.1)
    x = Tensor(np.ones((1, 1, 61, 67), np.float32), requires_grad=True)
    with mc.use_backend("reference"):
        y = network(x)
        y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    seen = x.grad.numpy()[0, 0] != 0                                             # type: ignore[union-attr]
    rows, columns = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
    extent = int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
    field = mc.summary(network, (1, 61, 67)).rows[-1].receptive_field
    # of a transposed convolution some outputs see one number less than others: the widest counts
    assert field == extent or name == "transposed" and all(0 <= f - e <= 2 for f, e in zip(field, extent))     # type: ignore[arg-type]


VGG16 = [3, 5, 6, 10, 14, 16, 24, 32, 40, 44, 60, 76, 92, 100, 132, 164, 196, 212, 404]
RESNET50_V1 = [7, 11, 11, 19, 19, 19, 27, 27, 27, 35, 35, 35, 51, 51, 51, 67, 67, 67, 83, 83, 83, 99, 99, 99, 131, 131, 131, 163, 163, 163,
               195, 195, 195, 227, 227, 227, 259, 259, 259, 291, 291, 291, 355, 355, 355, 419, 419, 419, 483, 483]
KNOWN = {                                  # of convolutions and pools, and of the first linear layer
    "lenet5_textbook": [5, 6, 14, 16, 32], "lenet_caffe": [5, 6, 14, 16, 28],
    "alexnet_2012": [11, 19, 51, 67, 99, 131, 163, 195, 355], "zfnet": [7, 11, 27, 43, 75, 107, 139, 171, 331],
    "vgg16": VGG16, "resnet50_v1": RESNET50_V1,
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_networks(name):
    table = mc.summary(models.create(name), models.info(name).input_shape)
    windows = [row for row in table.rows if row.type in ("Conv2d", "MaxPool2d", "AvgPool2d") and ".shortcut" not in row.name]
    linear = [row for row in table.rows if row.type == "Linear"][:1]
    found = [row.receptive_field for row in (windows if name.startswith("resnet") else windows + linear)]
    assert found == [(n, n) for n in KNOWN[name]]


def test_resnet_v1_5_sees_less_and_attention_sees_what_no_window_tells():
    table = mc.summary(models.create("resnet50_v1_5"), (3, 224, 224))
    assert table.part("body").receptive_field == (427, 427)
    assert mc.summary(models.create("vit_b16"), (3, 224, 224)).part("head").receptive_field is None


def test_an_average_over_the_map_sees_all_of_it():
    table = mc.summary(nn.Sequential(nn.Conv2d(1, 2, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)), (1, 21, 31))
    assert [row.receptive_field for row in table.rows] == [(3, 3), (21, 31), (21, 31), (21, 31)]
