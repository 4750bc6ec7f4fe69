"""Data sets: what the supernet learns.

Each is a pair of training and test images. ``ImageSet.load`` gives a batch as the network takes it: float32
``[N, 3, size, size]`` in channels-last memory, which halves the time of a step on a CPU, about zero mean and unit spread.
"""

import pathlib
from typing import List, Optional, Tuple

import torch
from torch import Tensor
from torch.nn import functional

from . import seeds

# Where the noise of a generated image is repeated, as (down, right) in pixels: one offset a class. A kernel tells two
# of them apart only where it spans both, so the far ones need wide kernels or many layers.
OFFSETS = [(0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2), (2, -2)]


class ImageSet:
    """Images in memory: uint8 ``[N, 3, H, W]`` and the indices of their classes, int64 ``[N]``.

    mean, spread: of the pixels, by which they are normalised.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, size: int, augment: bool, mean: float = 127.5, spread: float = 64.0
    ) -> None:
        self.images = images
        self.labels = labels
        self.size = size
        self.augment = augment
        self.mean = mean
        self.spread = spread

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, indices: Tensor) -> Tensor:
        """uint8 ``[n, 3, H, W]``."""
        return self.images[indices]

    def draw_shifts(self, count: int, random: torch.Generator) -> Tensor:
        """How each of so many images is to be shifted, down and right, and whether it is mirrored: int64 ``[count, 3]``.

        Nothing, ``[count, 0]``, where the images must not be changed.
        """
        if not self.augment:
            return torch.empty(count, 0, dtype=torch.int64)
        shifts = torch.randint(0, 2 * _margin(self.size) + 1, (count, 2), generator=random)
        return torch.cat([shifts, torch.randint(0, 2, (count, 1), generator=random)], 1)

    def load(self, indices: Tensor, shifts: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """A batch and its labels; shifted and mirrored as was drawn, one row for each image."""
        batch = self.pixels(indices).to(torch.float32).sub_(self.mean).div_(self.spread)
        if batch.shape[-2:] != (self.size, self.size):
            batch = functional.interpolate(batch, size=[self.size, self.size], mode="bilinear", align_corners=False)
        if shifts is not None and shifts.shape[1]:
            batch = _shifted_and_mirrored(batch, shifts)
        return batch.contiguous(memory_format=torch.channels_last), self.labels[indices]


class ImageFiles(ImageSet):
    """Images that are decoded when they are needed, cut to a square in the middle and scaled to ``size``."""

    def __init__(self, paths: List[pathlib.Path], labels: Tensor, size: int, augment: bool) -> None:
        super().__init__(torch.empty(0), labels, size, augment)
        self.paths = paths
        self.decode = _decoder()

    def pixels(self, indices: Tensor) -> Tensor:
        return torch.stack([_square(self.decode(self.paths[index]), self.size) for index in indices.tolist()])


def _margin(size: int) -> int:
    """How far an image may be shifted either way."""
    return max(1, size // 8)


def _shifted_and_mirrored(batch: Tensor, shifts: Tensor) -> Tensor:
    count, _, height, width = batch.shape
    padded = functional.pad(batch, [_margin(height)] * 4, mode="reflect")
    top, left, mirrored = shifts[:, 0:1], shifts[:, 1:2], shifts[:, 2:3].bool()
    rows = top + torch.arange(height)
    columns = left + torch.where(mirrored, torch.arange(width - 1, -1, -1), torch.arange(width))
    image = torch.arange(count)[:, None, None]
    # The dimension of channels comes last of an indexing that has a slice between indices.
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def generated(size: int, train: int, test: int, seed: int) -> Tuple[ImageSet, ImageSet, int]:
    """Images of noise that repeats itself at an offset, which is the class. No file is needed.

    Each pixel is the sum of a noise, the same noise shifted, and a weak one of its own; so in each channel. No single pixel and no
    colour tells the class, only products of pixels that are an offset apart: a network needs kernels that span it, and many
    features that are not linear, that is, expansion.

    Returns training images, test images and the number of classes.
    """
    random = seeds.generator(seed, "generated images")
    total = train + test
    labels = torch.randint(0, len(OFFSETS), (total,), generator=random)
    noise = torch.randn((total, 3, size, size), generator=random)
    images = torch.randn((total, 3, size, size), generator=random).mul_(0.2)
    for label, offset in enumerate(OFFSETS):
        chosen = labels == label
        images[chosen] += noise[chosen] + noise[chosen].roll(offset, dims=(2, 3))
    images = images.mul_(40.0).add_(127.5).clamp_(0, 255).to(torch.uint8)
    # A mirrored image would be one of another class.
    return (
        ImageSet(images[:train], labels[:train], size, augment=False),
        ImageSet(images[train:], labels[train:], size, augment=False),
        len(OFFSETS),
    )


def digits(size: int, train: int, test: int, seed: int) -> Tuple[ImageSet, ImageSet, int]:
    """The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn: real images, and nothing to download.

    A fifth, 359, are test images; the seed decides which. train, test: the first so many of each; 0 takes all.

    Raises ImportError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError("--data digits needs scikit-learn, which holds the images: pip install scikit-learn") from None
    found = load_digits()
    labels = torch.tensor(found.target.tolist())
    grey = torch.tensor(found.images.tolist()).mul_(255 / 16).round_().to(torch.uint8)
    pixels = grey[:, None].expand(-1, 3, -1, -1)
    order = torch.randperm(len(labels), generator=seeds.generator(seed, "digits"))
    test_count = len(order) // 5

    def take(chosen: Tensor, limit: int) -> ImageSet:
        chosen = chosen[: limit or len(chosen)]
        # A mirrored digit is none.
        return ImageSet(pixels[chosen], labels[chosen], size, augment=False, mean=78.0, spread=96.0)

    return take(order[test_count:], train), take(order[:test_count], test), 10


def cifar10(folder: pathlib.Path, size: int, train: int, test: int) -> Tuple[ImageSet, ImageSet, int]:
    """CIFAR-10 from its binary files: data_batch_1.bin to data_batch_5.bin and test_batch.bin.

    train, test: the first so many images of each; 0 takes all.

    Raises ValueError where a file is missing or is not a whole number of records.
    """

    def read(names: List[str], limit: int, augment: bool) -> ImageSet:
        records = torch.cat([_cifar_records(folder / name) for name in names])
        records = records[: limit or len(records)]
        return ImageSet(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].to(torch.int64), size, augment)

    training = read([f"data_batch_{number}.bin" for number in range(1, 6)], train, augment=True)
    return training, read(["test_batch.bin"], test, augment=False), 10


def _cifar_records(path: pathlib.Path) -> Tensor:
    record = 1 + 3 * 32 * 32
    if not path.is_file():
        raise ValueError(f"CIFAR-10 must lie in the folder as its binary version, but {path} is no file")
    content = path.read_bytes()
    if not content or len(content) % record:
        raise ValueError(f"{path} must hold records of {record} bytes, got {len(content)} bytes")
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).reshape(-1, record)
    if int(records[:, 0].max()) > 9:
        raise ValueError(f"{path} must hold labels from 0 to 9, got {int(records[:, 0].max())}")
    return records


def image_folder(folder: pathlib.Path, size: int, train: int, test: int) -> Tuple[ImageSet, ImageSet, int]:
    """FOLDER/train/CLASS/IMAGE and FOLDER/val/CLASS/IMAGE, decoded by torchvision or Pillow, whichever there is.

    train, test: the first so many images of each class; 0 takes all.

    Raises ValueError where a folder is missing or empty, or the classes of the two differ; ImportError without a decoder.
    """
    classes = _class_names(folder / "train")
    if _class_names(folder / "val") != classes:
        raise ValueError(f"{folder}/train and {folder}/val must have the same classes")

    def collect(part: str, limit: int, augment: bool) -> ImageSet:
        paths: List[pathlib.Path] = []
        labels: List[int] = []
        for label, name in enumerate(classes):
            files = sorted(path for path in (folder / part / name).iterdir() if path.is_file())
            files = files[: limit or len(files)]
            paths += files
            labels += [label] * len(files)
        if not paths:
            raise ValueError(f"{folder / part} must hold images, got none")
        return ImageFiles(paths, torch.tensor(labels), size, augment)

    return collect("train", train, augment=True), collect("val", test, augment=False), len(classes)


def _class_names(folder: pathlib.Path) -> List[str]:
    if not folder.is_dir():
        raise ValueError(f"an image folder must hold train/CLASS/IMAGE and val/CLASS/IMAGE, but {folder} is no folder")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(names) < 2:
        raise ValueError(f"{folder} must hold a folder for each class, two at least, got {len(names)}")
    return names


def _decoder():
    """A function from a path to uint8 ``[3, H, W]``."""
    try:
        from torchvision.io import ImageReadMode, read_image

        return lambda path: read_image(str(path), ImageReadMode.RGB)
    except ImportError:
        pass
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            "an image folder needs torchvision or Pillow to decode it: install one of them, or take --data generated or cifar10"
        ) from None

    def decode(path: pathlib.Path) -> Tensor:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        flat = torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8)
        return flat.reshape(rgb.height, rgb.width, 3).permute(2, 0, 1)

    return decode


def _square(image: Tensor, size: int) -> Tensor:
    """The middle of an image, scaled: uint8 ``[3, size, size]``."""
    _, height, width = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = image[None, :, top : top + side, left : left + side].to(torch.float32)
    scaled = functional.interpolate(middle, size=[size, size], mode="bilinear", align_corners=False, antialias=True)
    return scaled[0].round_().clamp_(0, 255).to(torch.uint8)
