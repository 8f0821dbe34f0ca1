"""What the papers report, to stand beside measured rows: "Going deeper with convolutions" (GoogLeNet) and R-CNN.

Theirs are of ILSVRC 2014: detectors trained on all of its detection data and evaluated on the whole of its test or
validation set, classifiers on its 50,000 validation images.
"""

from collections.abc import Mapping

# Section 8 gives no counts: R-CNN's are 2,403 boxes an image with a coverage of 92 %.
PROPOSALS: Mapping[str, str] = {
    "selective-search:fast": "R-CNN: 2,403 boxes, coverage 92 %",
    "selective-search:googlenet": "superpixels doubled: half of the boxes (section 8)",
    "mix": "and 200 of MultiBox: 60 % of the boxes, coverage 93 % (section 8)",
}

NO_REGRESSION = "crops, no box regression, no context"
DETECTION: Mapping[str, str] = {
    NO_REGRESSION: "38.02 % (Table 5; the text says 40 %); R-CNN, with regression and SVMs: 31.4 %",
    "six": "43.9 %, six nets (Table 4)",
}

# Table 3, top-5 error in percent by networks and crops.
CLASSIFICATION: Mapping[tuple[int, int], str] = {
    (1, 1): "top-5: 10.07 %",
    (1, 10): "top-5: 9.15 %",
    (1, 144): "top-5: 7.89 %",
    (7, 1): "top-5: 8.09 %",
    (7, 10): "top-5: 7.62 %",
    (7, 144): "top-5: 6.67 %",
}

DIFFERENCES = (
    "The published detectors learned ILSVRC's own detection data; those that ship with this package did not.",
    "They were scored on the whole validation or test set; these are scored on the images named above.",
    "The paper's text gives its single network 40 %, its Table 5 38.02 %; the six networks 43.9 % in both.",
    "It does not say how crops were padded, how Selective Search's and MultiBox's boxes were merged, where overlapping "
    "detections were suppressed, nor how six networks' scores were fused: those are choices of this package.",
)
