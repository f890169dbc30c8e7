"""NVIE, an extract of USTC-NVIE: disgust, fear and happiness in visible light and infrared, in pairs.

Wang et al., A Natural Visible and Infrared Facial Expression Database for Expression Recognition and Emotion
Inference, IEEE Transactions on Multimedia 12(7), 2010, doi 10.1109/TMM.2010.2060716: spontaneous and posed
expressions of more than 100 people. The extract is what the authors of naseem2025 published; which frames they
took, and how many, no source says. Nor was it found how USTC-NVIE names its files.
"""

from __future__ import annotations

from refer.datasets.model import Dataset
from refer.datasets.readers.pairs import INFRARED, VISIBLE
from refer.datasets.readers.twocameras import CHOICES, COMMIT, LAYOUTS, REPOSITORY, TwoCameras, owners_files

CAMERAS = TwoCameras("NVIE", ("disgust", "fear", "happy"))

BLOBS = {
    "NVIE-disgust-Ir.zip": "bbd3b4cda449ce3b06ff388ef911899e42772a67",
    "NVIE-disgust1-Vis.zip": "cc6f8d54c706e23f919e9000650418808016275b",
    "NVIE-disgust2-Vis.zip": "0c910f4ca1027005b01b966fbb75af5b4a26772b",
    "NVIE-fear-Ir.zip": "701d2f997cbf92997f950973bd50707f8efea5d5",
    "NVIE-fear-Vis.zip": "fbb72f422f7deafc4d7d3a5d1f4684dfe09c240c",
    "NVIE-happy-Ir.zip": "2595a6d2473a7eb3d5017fa108b76b00661778c7",
    "NVIE-happy1-Vis.7z": "cc86dfda85f88e92948fd8fe0055e52204f92280",
    "NVIE-happy2-Vis.zip": "3e7a22d40d70d61e77e09f3958f9235dbd1e2c2b",
}


NVIE = Dataset(
    name="nvie",
    title=CAMERAS.word,
    classes=CAMERAS.classes,
    splits=("all",),
    modalities=(VISIBLE, INFRARED),
    size=(224, 224),
    channels=3,
    counts={},
    licence="USTC-NVIE is for research, under the release agreement of its owners, the University of Science and "
    "Technology of China (https://nvie.ustc.edu.cn/doc/release_agreement_nvie.pdf); the extract comes with no "
    "licence that is known. Cite Wang et al. (2010), and do not pass the images on.",
    home="https://nvie.ustc.edu.cn",
    how_to_get=f"The extract: write `nvie: download` into the configuration; eight archives of commit {COMMIT[:12]} of "
    f"https://github.com/{REPOSITORY} are fetched and verified. The whole USTC-NVIE is given on request: sign the "
    "release agreement (see `licence`), send it to the address at `home`, sort the images that you are given into "
    "Visible/<class>/ and IR/<class>/, and write the folder's path.",
    recognise=CAMERAS.recognise,
    read=CAMERAS.read,
    fit="squash",
    names_subjects=False,
    files=owners_files(BLOBS),
    layouts=LAYOUTS,
    choices=CHOICES,
    stand_in="nvie",
    expected=566,  # as many as VIRI's: no source states a number
)
