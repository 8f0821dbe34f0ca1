import pytest

from inception_rcnn.data.images.pairing import pair_files
from inception_rcnn.data.values import NO_INDEX

NO = NO_INDEX


@pytest.mark.parametrize(
    ("predicted", "files", "expected"),
    [
        ([], [], []),
        ([], ["a.jpg"], []),
        (["a.jpg"], [], [NO]),
        (["b.jpg", "a.jpg"], ["a.jpg", "b.jpg"], [1, 0]),
        (["a", "a", "a.jpg"], ["a.jpg"], [NO, NO, 0]),  # the exact one has it
        (["a", "a"], ["a.jpg"], [0, 0]),  # one image in two parts
        (["a.png"], ["a.jpg"], [0]),
        (["a.png"], ["a.jpg", "a.bmp"], [NO]),  # fits two
        (["a.png", "a.webp"], ["a.jpg"], [NO, NO]),  # two want it
        (["s/1.jpg"], ["t/1.jpg", "s/1.png"], [1]),  # the path before the name
        (["/x/JPEGImages/1.jpg"], ["0.jpg", "1.jpg"], [1]),
        (["/x/1.jpg", "/y/1.jpg"], ["1.jpg"], [NO, NO]),
        (["./a.jpg"], ["a.jpg"], [0]),
        (["img.v2"], ["img.v2.jpg"], [0]),  # an id with a dot
        (["img.v2"], ["img.v2.jpg", "img.jpg"], [0]),
        (["caf\udce9"], ["caf\udce9.jpg"], [0]),
        ([""], ["a.jpg"], [NO]),
        (["x/img.v2", "my photo . 1"], ["img.v2.jpg", "y/my photo . 1.jpg"], [0, 1]),
        (["s\\1.jpg", "t\\1.jpg"], ["s/1.jpg", "t/1.jpg"], [0, 1]),  # Windows'
        (["D:\\x\\JPEGImages\\1.v2"], ["0.jpg", "1.v2.jpg"], [1]),
        (["IMG_1.JPG", "img_1.jpg"], ["Img_1.jpg"], [NO, NO]),
        (["IMG_1", "img_2.JPG"], ["img_1.jpg", "img_1.JPG", "IMG_2.jpg"], [NO, 2]),
        (["IMG_1.JPG"], ["img_1.jpg"], [0]),
        (["cafe\u0301.jpg"], ["caf\xe9.png"], [0]),  # as a Mac has it
    ],
)
def test_pairs(predicted: list[str], files: list[str], expected: list[int]) -> None:
    assert pair_files(predicted, files).tolist() == expected
