"""Orders of cells, and pixels that are imputed from their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import OptionError
from seewhy.evaluating.faithfulness import (
    ORDERS,
    Curve,
    cell_means,
    pixels_of_cells,
    rank_cells,
    removal_curve,
    road,
)
from seewhy.evaluating.imputing import impute


def test_cells_average_by_area_also_where_they_cut_pixels():
    row = np.array([[0.0, 3.0, 6.0]])
    # two cells of one and a half pixels: (0 + 3/2) / 1.5 and (3/2 + 6) / 1.5; one row is repeated
    assert np.allclose(cell_means(row, 2), [[1, 5], [1, 5]])


def test_cells_of_a_fine_map_are_block_means_and_of_a_coarse_one_repeats():
    fine = np.random.default_rng(0).random((28, 56))
    assert np.allclose(cell_means(fine, 14), fine.reshape(14, 2, 14, 4).mean(axis=(1, 3)))
    coarse = np.random.default_rng(1).random((7, 7))
    assert np.allclose(cell_means(coarse, 14), np.kron(coarse, np.ones((2, 2))))


def test_cells_keep_the_mean_and_take_nan_for_the_minimum():
    heat = np.random.default_rng(2).normal(size=(13, 17))
    assert cell_means(heat, 5).mean() == pytest.approx(heat.mean())
    unseen = np.array([[np.nan, 1.0], [4.0, 2.0]])
    assert cell_means(unseen, 2).tolist() == [[1, 1], [4, 2]]
    assert cell_means(np.full((2, 2), np.nan), 2).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(OptionError, match=r"^cells=0 is not a valid count\. Give 1 or more\.$"):
        cell_means(heat, 0)


def test_pixels_take_the_value_of_the_cell_of_their_centre():
    means = np.array([[1.0, 2.0], [3.0, 4.0]])
    # of three columns the middle one (centre 1.5 of 3) is in the second cell
    assert pixels_of_cells(means, (2, 3)).tolist() == [[1, 2, 2], [3, 4, 4]]


def imputed_by_iteration(image: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Repeat the weighted mean of the neighbours until nothing changes."""
    filled = image.astype(np.float64).copy()
    height, width = gone.shape
    for _ in range(4000):
        for y, x in zip(*np.nonzero(gone), strict=True):
            total, weights = np.zeros(image.shape[2]), 0.0
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (dy or dx) and 0 <= y + dy < height and 0 <= x + dx < width:
                        weight = 1 / 6 if dy == 0 or dx == 0 else 1 / 12
                        total += weight * filled[y + dy, x + dx]
                        weights += weight
            filled[y, x] = total / weights
    return filled


def test_imputation_agrees_with_repeated_means():
    image = np.random.default_rng(0).normal(size=(5, 6, 2)).astype(np.float32)
    image.flags.writeable = False
    gone = np.zeros((5, 6), bool)
    gone[1:4, 2:5] = gone[0, 0] = gone[4, 5] = True
    filled = impute(image, gone)
    assert np.allclose(filled, imputed_by_iteration(image, gone), atol=1e-5)
    assert np.array_equal(filled[~gone], image[~gone])


def test_a_plane_is_imputed_exactly_away_from_the_edge():
    rows, columns = np.mgrid[:8, :9]
    plane = (2 * rows - 3 * columns + 1.0)[..., None].astype(np.float32)
    gone = np.zeros((8, 9), bool)
    gone[2:6, 3:7] = True
    assert np.allclose(impute(plane, gone), plane, atol=1e-4)


def test_nothing_gone_changes_nothing_and_all_gone_leaves_the_mean():
    image = np.random.default_rng(1).random((4, 5, 3)).astype(np.float32)
    assert np.array_equal(impute(image, np.zeros((4, 5), bool), noise=1), image)
    every = impute(image, np.ones((4, 5), bool))
    assert np.allclose(every, image.mean(axis=(0, 1)))


def test_noise_is_added_to_what_is_filled_alone_and_can_be_repeated():
    image = np.random.default_rng(1).random((40, 40, 3)).astype(np.float32)
    gone = np.zeros((40, 40), bool)
    gone[:, ::2] = True
    clean, noisy = impute(image, gone), impute(image, gone, noise=0.1)
    assert np.array_equal(noisy[~gone], image[~gone])
    assert (noisy - clean)[gone].std() == pytest.approx(0.1 * image.std(), rel=0.05)
    assert np.array_equal(noisy, impute(image, gone, noise=0.1))


def test_a_mask_of_another_size_is_an_error():
    with pytest.raises(OptionError) as caught:
        impute(np.zeros((4, 5, 3), np.float32), np.zeros((5, 4), bool))
    assert str(caught.value) == (
        "The image has 4 × 5 pixels and the mask 5 × 4. Give a mask of the image's size."
    )


def corner(copies: np.ndarray) -> np.ndarray:
    """Return the sum over the upper left quarter, and its negative."""
    total = copies[:, :4, :4].sum(axis=(1, 2, 3))
    return np.stack([total, -total], axis=1)


def test_road_takes_the_hottest_cells_first_and_the_coldest_in_the_other_order():
    image = np.zeros((8, 8, 1), np.float32)
    image[:4, :4] = 1
    heat = np.zeros((2, 2))
    heat[0, 0] = 1
    shares = (0, 0.25)
    hottest, coldest = (
        road(image, rank_cells(heat, order, cells=2), corner, shares=shares, noise=0)
        for order in ORDERS
    )
    assert hottest.shape == (2, 2)
    assert hottest[0, 0] == coldest[0, 0] == 16
    # The white corner is filled from its dark neighbours; a dark cell leaves the corner as it is.
    assert hottest[0, 1] < 1e-4
    assert coldest[0, 1] == 16
    assert np.array_equal(hottest[1], -hottest[0])


def test_road_does_not_care_at_which_resolution_a_map_comes():
    image = np.random.default_rng(0).random((28, 28, 3)).astype(np.float32)
    coarse = np.random.default_rng(1).random((7, 7))
    one = road(image, rank_cells(coarse, ORDERS[0]), corner)
    two = road(image, rank_cells(np.kron(coarse, np.ones((4, 4))), ORDERS[0]), corner)
    assert np.allclose(one, two)


def test_orders_and_shares_that_do_not_exist_are_errors():
    image = np.zeros((4, 4, 1), np.float32)
    with pytest.raises(OptionError, match=r"^'hottest' is not a valid order\. Choose 'most rele"):
        rank_cells(np.ones((2, 2)), "hottest")
    with pytest.raises(OptionError, match=r"^shares=\(0\.5, 1\.2\) are outside 0 to 1\.$"):
        road(image, rank_cells(np.ones((2, 2)), ORDERS[0]), corner, shares=(0.5, 1.2))


# Curves of cells


def test_cells_are_removed_by_rank_and_ties_by_chance():
    heat = np.array([[1.0, 4.0], [3.0, 2.0]])
    assert rank_cells(heat, "most relevant first", cells=2).order.tolist() == [1, 2, 3, 0]
    assert rank_cells(heat, "least relevant first", cells=2).order.tolist() == [0, 3, 2, 1]
    ties = rank_cells(np.ones((9, 9)), "most relevant first", cells=9).order
    assert sorted(ties.tolist()) == list(range(81)) != ties.tolist()
    with pytest.raises(OptionError, match=r"^'hot' is not a valid order\. Choose 'most relevant"):
        rank_cells(heat, "hot")


def test_a_removal_curve_by_hand():
    image = np.array([[[4.0], [1.0]], [[3.0], [2.0]]], np.float32)
    ranking = rank_cells(image[..., 0], ORDERS[0], cells=2)
    found = removal_curve(image, ranking, corner, filled=np.zeros_like(image), steps=4)
    # the corner's four cells lose 4, 3, 2 and 1
    assert found.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.values.tolist() == [[10, 6, 3, 1, 0], [-10, -6, -3, -1, 0]]
    assert found.area[0] == pytest.approx(15 / 4)


def test_removing_the_least_relevant_first_is_insertion_backwards():
    random = np.random.default_rng(3)
    image, filled = random.random((2, 12, 12, 2)).astype(np.float32)
    heat = random.random((12, 12)).astype(np.float32)
    ranking = rank_cells(heat, "least relevant first", cells=12)
    removed = removal_curve(image, ranking, corner, filled=filled, steps=6)
    # Pixels come into the fill, the hottest first, 24 at a time.
    copy, added = filled.copy(), [corner(filled[None])[0]]
    order = np.argsort(-heat, axis=None).reshape(6, 24)
    for pixels in order:
        for pixel in pixels:
            copy[np.unravel_index(pixel, heat.shape)] = image[np.unravel_index(pixel, heat.shape)]
        added.append(corner(copy[None])[0])
    assert np.allclose(removed.values[:, ::-1], np.transpose(added))


def test_the_area_of_a_straight_line_is_its_middle():
    curve = Curve(shares=np.array([0, 0.25, 1]), values=np.array([[0, 0.25, 1], [1, 1, 1]]))
    assert np.allclose(curve.area, [0.5, 1])


def test_known_ends_and_batches_change_nothing():
    random = np.random.default_rng(4)
    image, filled = random.random((2, 8, 8, 1)).astype(np.float32)
    heat = random.random((4, 4))
    seen = []

    def score(copies):
        seen.append(len(copies))
        return corner(copies)

    ranking = rank_cells(heat, ORDERS[0], cells=4)
    whole = removal_curve(image, ranking, score, filled=filled, steps=8)
    ends = np.stack([corner(image[None])[0], corner(filled[None])[0]], axis=1)
    cut = removal_curve(image, ranking, score, filled=filled, steps=8, ends=ends, batch_size=3)
    assert np.allclose(cut.values, whole.values)
    assert seen == [9, 3, 3, 1]
    with pytest.raises(OptionError, match=r"^steps=0 changes nothing\. Give 1 or more\.$"):
        removal_curve(image, ranking, score, filled=filled, steps=0)


@pytest.mark.parametrize("size", [(56, 56), (57, 43)])
def test_imputation_by_blocks_is_near_the_exact_one(size):
    rows, columns = np.mgrid[: size[0], : size[1]] / 20
    image = np.stack([np.sin(rows + columns), np.cos(rows), columns], axis=-1).astype(np.float32)
    cells = (np.random.default_rng(5).random((7, 7)) < 0.4).astype(float)
    gone = pixels_of_cells(cells, size) > 0
    exact, fast = impute(image, gone), impute(image, gone, blocks=2)
    assert np.array_equal(fast[~gone], image[~gone])
    assert np.abs(fast - exact)[gone].mean() < 0.03 * image.std()
    assert np.abs(image.mean((0, 1)) - exact)[gone].mean() > 0.2 * image.std()
