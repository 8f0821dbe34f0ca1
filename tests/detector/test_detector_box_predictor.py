import torch

from inception_rcnn.detector.box_predictor import BoxPredictor


def test_no_regions_have_no_scores():
    logits, deltas = BoxPredictor(6)(torch.zeros(0, 1024, 7, 7))
    assert logits.shape == (0, 7)
    assert deltas.shape == (0, 6, 4)


def test_scores_and_deltas_know_where_in_the_window_something_is():
    """What fills the left half, such as a face, must be told from what fills the window; an average could not."""
    torch.manual_seed(0)
    head = BoxPredictor(2).eval()
    torch.nn.init.normal_(head.deltas.weight)
    features = torch.rand(1, 1024, 7, 7)
    with torch.no_grad():
        (logits, deltas), (moved_logits, moved_deltas) = head(features), head(features.roll(3, dims=3))
    assert (logits - moved_logits).abs().max() > 0.01
    assert (deltas - moved_deltas).abs().max() > 0.1


def test_what_comes_out_is_float32():
    logits, deltas = BoxPredictor(3).bfloat16()(torch.zeros(2, 1024, 7, 7, dtype=torch.bfloat16))
    assert logits.dtype == deltas.dtype == torch.float32
