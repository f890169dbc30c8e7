"""Faults of composed faces (feratt2019) and their filters; the list goes on from `listed.py`, whose head says how."""

from __future__ import annotations

from listed import _of

DRAWS = "training/test_composer.py::test_draws_are_uniform_independent_and_half_of_the_images_are_exposed_otherwise"
MAPS = "training/test_composer.py::test_maps_turn_mirror_scale_shift_and_move_the_corners"

MUTATIONS = (
    _of(
        "face-turned-half", "training/composer.py",
        "angle=how.angle * both[:, 1]", "angle=how.angle * u[:, 1]",
        "faces are turned to one side only",
        DRAWS,
    ),
    _of(
        "exposed-otherwise", "training/composer.py",
        "u[:, 14:17] < how.exposed", "u[:, 14:17] > how.exposed",
        "those images are exposed that should not be",
        "training/test_composer.py::test_so_many_images_are_exposed_and_filtered_as_asked_for",
    ),
    _of(
        "corner-moved-half", "training/composer.py",
        "(2 * draws.corners[:, corner].T for", "(draws.corners[:, corner].T for",
        "a warp moves the corners half as far",
        MAPS,
    ),
    _of(
        "map-not-inverted", "training/composer.py",
        "frame * np.linalg.inv(warped @ placed)[:, :2]", "frame * (warped @ placed)[:, :2]",
        "the face moves against what was drawn",
        MAPS,
    ),
    _of(
        "target-lit", "training/composer.py",
        "lit = self._lit(target, mask, image)", "lit = target = self._lit(target, mask, image)",
        "the face that the network is to restore has the background's light",
        "training/test_composer.py::test_light_takes_the_face_towards_the_mean_of_what_it_covers",
    ),
    _of(
        "mask-ignored", "training/composer.py",
        "image.lerp_(lit, mask)", "image.lerp_(lit, mask.round())",
        "the face's edge is hard",
        "training/test_composer.py::test_the_padding_shrinks_the_face_and_the_mean_of_four_pixels_is_taken",
        "training/test_composer.py::test_the_target_is_black_where_the_mask_is_not_and_the_background_stays_there",
    ),
    _of(
        "light-of-the-whole-scene", "training/composer.py",
        "around = (scene * mask).sum((2, 3), keepdim=True) / area",
        "around = scene.mean((2, 3), keepdim=True)",
        "the face is lit like the whole background, not like what it covers",
        "training/test_composer.py::test_light_takes_the_face_towards_the_mean_of_what_it_covers",
    ),
    _of(
        "gamma-upside-down", "training/composer.py",
        "log2_().mul_(1 / gamma).exp2_()", "log2_().mul_(gamma).exp2_()",
        "the authors' gamma brightens where it should darken",
        "training/test_composer.py::test_exposure_as_the_authors_do_it",
    ),
    _of(
        "noise-too-weak", "training/composer.py",
        "100 * self.how.noise * drawn", "10 * self.how.noise * drawn",
        "a tenth of the noise",
        "training/test_composer.py::test_noise_is_of_lightness_and_blurred",
    ),
    _of(
        "clip-limit-lost", "training/filters.py",
        "heights.clamp_max(limit) + each + more", "heights + each + more",
        "histograms are equalised without a limit of contrast",
        "training/test_filters.py::test_equalising_with_other_limits_gives_opencvs_levels",
    ),
    _of(
        "blur-border", "training/filters.py",
        'mode="reflect")\n    # Sums', 'mode="replicate")\n    # Sums',
        "the border of a blurred image is repeated, not mirrored",
        "training/test_filters.py::test_blurring_gives_opencvs_levels",
    ),
    _of(
        "lightness-straight", "training/filters.py",
        "torch.where(root > 6 / 29, 116 * root - 16, low)", "116 * root - 16",
        "L* has no straight piece near black",
        "training/test_filters.py::test_lightness_is_cies",
    ),
)  # fmt: skip
