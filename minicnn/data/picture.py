"""A picture from a file, made like the images that a network was trained on."""
import os
from warnings import catch_warnings, simplefilter

import numpy as np

MARGIN = 4 / 28                # of MNIST's 28 pixels, 4 on each side are free: the digit is scaled into 20×20
MOST_PIXELS = 100_000_000


def read_picture(path: str | os.PathLike, C: int, H: int, W: int, as_is: bool = False) -> tuple[np.ndarray, list[str]]:
    """(image uint8 (C, H, W), what was done to it in words).

    C = 3: resized.  C = 1: as in MNIST, see like_mnist; an image that has the size already, light on dark, stays as it is.
    FileNotFoundError, or ValueError for a file that is no image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError
    if not os.path.exists(path):
        raise FileNotFoundError(f"no such file: {path}")
    if C not in (1, 3):
        raise ValueError(f"{path}: a picture has 1 or 3 channels, this network takes {C}")
    try:
        with catch_warnings():
            simplefilter("error", Image.DecompressionBombWarning)            # Pillow warns of a size near our own limit
            file = Image.open(path)
        with file:
            if file.width * file.height > MOST_PIXELS:
                raise ValueError(f"{path} has {file.width}×{file.height} pixels, more than {MOST_PIXELS:,}; make it smaller")
            picture = ImageOps.exif_transpose(file)                          # a camera held upright says so in the file
            if "A" in picture.getbands() or "transparency" in picture.info:  # what is transparent is paper
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            picture = _eight_bits(picture, "L" if C == 1 else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{path} has too many pixels to be read ({error}); make it smaller") from error
    except (UnidentifiedImageError, IsADirectoryError, SyntaxError) as error:
        raise ValueError(f"{path} is not an image that can be read ({error})") from error
    except OSError as error:
        raise ValueError(f"{path} is damaged or truncated ({error})") from error
    if C == 3 or as_is:
        same = picture.size == (W, H)
        array = np.asarray(picture if same else picture.resize((W, H), Image.Resampling.BILINEAR))
        return (array[None] if C == 1 else array.transpose(2, 0, 1)).copy(), [] if same else [f"resized to {W}×{H}"]
    try:
        image, steps = like_mnist(np.asarray(picture), H, W)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return image[None], steps


def _eight_bits(picture, mode: str):
    """16-bit grey scaled down to 8 bits, where Pillow's own conversion would clip it; else plain conversion."""
    from PIL import Image
    if picture.mode.startswith("I"):
        array = np.asarray(picture).astype(np.float64)
        picture = Image.fromarray((array * min(1.0, 255 / max(array.max(), 1))).astype(np.uint8))
    return picture.convert(mode)


def like_mnist(grey: np.ndarray, H: int, W: int) -> tuple[np.ndarray, list[str]]:
    """A drawing, uint8 of any size → (H, W): light on dark, cut out, scaled into the middle, its centre of mass in the centre."""
    from PIL import Image
    steps = []
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(border) > 127:
        grey = 255 - grey
        steps.append("dark on light: inverted")
    elif grey.shape == (H, W):
        return grey.copy(), steps
    background = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    ink = np.clip(grey - background, 0, None)
    if ink.max() < 16:
        raise ValueError("the picture is blank: there is nothing to read")
    ink = ink * (255 / ink.max())
    ink[ink < 64] = 0                                                        # paper is never of one grey
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    ink = ink[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    room_h, room_w = round(H * (1 - 2 * MARGIN)), round(W * (1 - 2 * MARGIN))
    scale = min(room_h / ink.shape[0], room_w / ink.shape[1])
    size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(ink.astype(np.uint8)).resize(size, method), np.float64)
    small *= 255 / small.max()                                               # thin strokes got pale
    h, w = small.shape
    mass = small.sum()
    top = int(np.clip(round(H / 2 - (small.sum(1) @ (np.arange(h) + 0.5)) / mass), 0, H - h))
    left = int(np.clip(round(W / 2 - (small.sum(0) @ (np.arange(w) + 0.5)) / mass), 0, W - w))
    image = np.zeros((H, W), np.uint8)
    image[top:top + h, left:left + w] = small.round()
    return image, [*steps, f"cut out and scaled to {w}×{h} in {W}×{H}"]
