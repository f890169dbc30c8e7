"""Faults that matter, one a mutation: where, which text, what it becomes, what that would mean, and who finds it.

A text must stand exactly once in its file (tests/test_mutations.py checks it with every run), so that this list goes
along with the code. `tests` are arguments of pytest: the quickest files that must fail. `python tests/mutations/run.py`
tries them.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """`old` in `file` becomes `new`; `means` says what is then wrong, `tests` who has to notice."""

    name: str
    file: str
    old: str
    new: str
    means: str
    tests: tuple[str, ...]


SRC = "src/refer/"


def _of(name: str, file: str, old: str, new: str, means: str, *tests: str) -> Mutation:
    return Mutation(name, SRC + file, old, new, means, tuple(f"tests/{test}" for test in tests))


MUTATIONS = (
    # ---- training
    _of(
        "no-flip", "training/augment.py",
        "np.where(u[:, 0] < changed, -1.0, 1.0) if how.flip",
        "np.where(u[:, 0] < 0.0, -1.0, 1.0) if how.flip",
        "augmentation never mirrors",
        "training/test_augment.py::test_drawn_numbers_fill_their_ranges_and_each_change_has_its_own",
    ),
    _of(
        "half-shift", "training/augment.py",
        "2 / side * np.rint(side * how.shift", "1 / side * np.rint(side * how.shift",
        "augmentation shifts half as far as the recipe says",
        "training/test_augment.py::test_drawn_numbers_fill_their_ranges_and_each_change_has_its_own",
    ),
    _of(
        "schedule-half-way", "training/optimisation.py",
        "progress = (step - rising) / max(1, steps - rising)",
        "progress = (step - rising) / max(1, 2 * (steps - rising))",
        "the cosine schedule ends half way down",
        "training/test_training.py::test_the_rate_rises_to_its_peak_and_falls_to_nearly_nothing",
    ),
    _of(
        "warm-up-from-zero", "training/optimisation.py",
        "recipe.lr * (step + 1) / (rising + 1)", "recipe.lr * step / (rising + 1)",
        "warm-up is off by one: the first step learns nothing",
        "training/test_training.py::test_warm_up_and_cosine_are_those_of_pytorch",
    ),
    _of(
        "biases-decay", "training/optimisation.py",
        "recipe.weight_decay if decays else 0.0", "recipe.weight_decay",
        "weight decay also pulls biases and normalisations to zero",
        "training/test_training.py::test_biases_and_norms_decay_only_where_all_does",
    ),
    _of(
        "moments-lost", "training/resume.py",
        'training.optimizer.load_state_dict(groups.get("optimizer", {}))', "pass",
        "a resumed training begins with an optimizer that remembers nothing",
        "training/test_stopping.py::test_told_to_end_within_an_epoch_it_ends_with_the_same_bits",
    ),
    _of(
        "random-state-lost", "training/resume.py",
        'torch.set_rng_state(groups["random"]["cpu"])', "pass",
        "a resumed training draws other random numbers than an undisturbed one",
        "training/test_stopping.py::test_told_to_end_within_an_epoch_it_ends_with_the_same_bits",
    ),
    _of(
        "last-epoch", "training/train.py",
        'if run.select == "last":\n        return len(history)', "if run.select:\n        return len(history)",
        "the last epoch is kept, not the best on the watched part",
        "training/test_training.py::test_loss_accuracy_and_the_last_epoch_each_choose_their_own",
    ),
    _of(
        "criterion-reversed", "training/train.py",
        '-row[f"{run.select}_loss"]', 'row[f"{run.select}_loss"]',
        "selection by loss keeps the worst epoch",
        "training/test_training.py::test_loss_accuracy_and_the_last_epoch_each_choose_their_own",
    ),
    _of(
        "validated-in-training-mode", "training/train.py",
        "self.kept.eval()", "self.kept.train()",
        "dropout and batch statistics are on while epochs are compared",
        "training/test_training.py::test_predictions_are_those_of_the_selected_epoch",
    ),
    _of(
        "inference-in-training-mode", "evaluation/trained.py",
        "network.eval()", "network.train()",
        "dropout and batch statistics are on at inference: answers depend on their neighbours",
        "training/test_training.py::test_predictions_are_those_of_the_selected_epoch",
    ),
    _of(
        "other-normalisation", "training/data.py",
        "((result - MEAN) / SPREAD)", "(result / SPREAD)",
        "images are not centred",
        "training/test_training.py::test_pixels_become_centred_numbers",
    ),
    _of(
        "removed-images-choose", "training/task.py",
        "part_name, where, backgrounds, kept_only=True", "part_name, where, backgrounds, kept_only=False",
        "the epoch is chosen on images that an audit removed, too",
        "training/test_training.py::test_predictions_are_those_of_the_selected_epoch",
    ),
    _of(
        "removed-images-kept", "training/data.py",
        "    if kept_only:\n", "    if not kept_only:\n",
        "what an audit removed is taken where it should not be, and not where it should",
        "training/test_training.py::test_predictions_are_those_of_the_selected_epoch",
    ),
    _of(
        "first-fold-only", "training/data.py",
        'parts = parts[parts["fold"] == fold]', 'parts = parts[parts["fold"] == 0]',
        "every fold trains and tests on the first one's division",
        "datasets/test_split.py::test_training_reads_one_fold",
    ),
    _of(
        "seed-ignored", "training/task.py",
        "torch.manual_seed(run.seed)", "torch.manual_seed(0)",
        "all seeds are one",
        "training/test_training.py::test_the_same_seed_gives_the_same_bits_and_another_does_not",
    ),
    _of(
        "average-reversed", "training/train.py",
        "1 - min(decay, (1 + step) / (10 + step))", "min(decay, (1 + step) / (10 + step))",
        "the moving average of weights takes the wrong share of the new ones",
        "training/test_testing.py::test_the_average_is_its_formula_and_lets_go_of_the_first_weights",
    ),
    _of(
        "average-holds-on", "training/train.py",
        "1 - min(decay, (1 + step) / (10 + step))", "1 - decay",
        "the moving average holds on to the initial weights for hundreds of steps",
        "training/test_testing.py::test_the_average_is_its_formula_and_lets_go_of_the_first_weights",
    ),
    _of(
        "mixup-labels-swapped", "training/losses.py",
        "torch.lerp(other, own, batch.share)", "torch.lerp(own, other, batch.share)",
        "a mixed image counts for the class that it shows least of",
        "training/test_losses.py::test_mixed_images_count_for_each_class_as_much_as_they_show_of_it",
    ),
    _of(
        "gaussian-width", "training/losses.py",
        "-squared / (2 * sigma**2)", "-squared / sigma**2",
        "the Gaussian-structure loss has another sigma",
        "training/test_losses.py::test_gaussian_structure_loss_is_its_formula",
    ),
    _of(
        "loss-on-logits", "training/losses.py",
        'if on == "softmax":', 'if on != "softmax":',
        "the two readings of naseem2025's cross-entropy are exchanged",
        "training/test_losses.py::test_cross_entropy_is_its_formula",
    ),
    _of(
        "views-not-averaged", "training/testing.py",
        "for mirrored in (False, True) for place in places", "for mirrored in (False, False) for place in places",
        "the ten crops are five, each twice",
        "training/test_testing.py::test_ten_crops_are_those_of_torchvision",
    ),
    # ---- inference, splits, audit
    _of(
        "softmax-over-images", "evaluation/inference.py",
        "logits.softmax(dim=1)", "logits.softmax(dim=0)",
        "probabilities are normalised over the wrong axis",
        "training/test_training.py::test_predictions_are_those_of_the_selected_epoch",
    ),
    _of(
        "removed-images-not-predicted", "evaluation/inference.py",
        "kept_only=False", "kept_only=True",
        "predictions leave out what an audit removed, so that both ways of counting cannot be compared",
        "training/test_training.py::test_predictions_are_those_of_the_selected_epoch",
    ),
    _of(
        "subjects-leak", "datasets/split.py",
        '"subject": subject}', '"subject": [None] * len(image)}',
        "people who were trained on stay in the audited test set",
        "datasets/test_split.py::test_subjects",
    ),
    _of(
        "duplicates-stay", "datasets/split.py",
        "if column[row] is not None and column[row] in values:", "if column[row] is None and column[row] in values:",
        "test images that also stand in training stay in the audited test set",
        "datasets/test_split.py::test_audited_removes_what_was_seen",
    ),
    _of(
        "pairs-parted", "datasets/split_assignment.py",
        "keys = [images.pair, *(", "keys = [*(",
        "one picture of a pair is trained on, the other tested",
        "datasets/test_splitting.py::test_the_first_papers_numbers_of_viri_come_out",
    ),
    _of(
        "validation-off-by-one", "datasets/split_assignment.py",
        "groups[(fold + 1) % count]", "groups[(fold + 2) % count]",
        "people of another fold than the next are validated on",
        "datasets/test_splitting.py",
    ),
    _of(
        "largest-share-last", "datasets/split_assignment.py",
        "ends[-1] = len(members)", "ends[0] = len(members)",
        "shares are rounded in favour of training, and the last part gets nothing",
        "datasets/test_splitting.py",
    ),
    _of(
        "groups-not-joined", "datasets/groups.py",
        "parent[max(a, b)] = min(a, b)", "parent[max(one, other)] = min(one, other)",
        "what belongs together indirectly falls apart",
        "datasets/test_splitting.py",
    ),
    _of(
        "near-threshold", "datasets/near.py",
        "NEAR_ABOVE = 0.85", "NEAR_ABOVE = 0.99",
        "near duplicates that were compressed, cropped or scaled are missed",
        "datasets/test_near.py::test_copies_are_found_and_nothing_else",
    ),
    _of(
        "mirrored-copies-missed", "datasets/near.py",
        'VIEWS = ("as it is", "turned", "cropped"', 'VIEWS = ("as it is", "cropped", "turned"',
        "kinds of near duplicates are confused",
        "datasets/test_near.py::test_copies_are_found_and_nothing_else",
    ),
    _of(
        "tie-counts-whole", "evaluation/label_agreement.py",
        "shared = first / np.maximum((seen == most[:, None]).sum(axis=1), 1)", "shared = first",
        "of equal votes each counts as most",
        "datasets/test_links.py::test_rates_are_those_counted_by_hand",
    ),
    # ---- readers
    _of(
        "single-votes-count", "datasets/readers/ferplus.py",
        "number if number > 1 else 0", "number if number > 0 else 0",
        "FER+'s majority is not that of its authors",
        "datasets/test_ferplus.py::test_what_votes_say_under_each_rule",
    ),
    _of(
        "classes-sorted", "datasets/readers/fer2013.py",
        "ImageRow(key, label, split, None, name)",
        "ImageRow(key, sorted(CLASSES).index(CLASSES[label]), split, None, name)",
        "FER2013's folders get the labels of the alphabet, its table those of the owner",
        "datasets/test_prepare.py::test_folders",
    ),
    _of(
        "parts-exchanged", "datasets/readers/fer2013.py",
        "next((split for split in SPLITS if split.lower() == usage.lower()), None)",
        'next((split for split in SPLITS if split.lower()[0] == usage.lower()[0]), None)',
        "PrivateTest is read as PublicTest",
        "datasets/test_prepare.py::test_folders",
    ),
    _of(
        "codes-from-zero", "datasets/codings.py",
        "{str(start + place): own.index(each)", "{str((start + place + 1) % 8): own.index(each)",
        "RAF-DB's codes are off by one",
        "datasets/test_rafdb.py::test_every_layout_and_mirror_gives_the_same_data",
    ),
    _of(
        "peak-frames-reversed", "datasets/readers/ckplus.py",
        "levels = {1: frames[-1]}", "levels = {1: frames[len(frames) // 2]}",
        "a frame before the peak is taken for the peak",
        "datasets/test_ckplus.py::test_the_last_three_frames_and_the_first_are_listed",
    ),
    _of(
        "orientation-ignored", "datasets/decode.py",
        "image = ImageOps.exif_transpose(image)", "pass",
        "turned photographs stay turned",
        "datasets/test_prepare.py::test_exif_orientation_is_applied",
    ),
    # ---- statistics
    _of(
        "weighted-for-macro", "evaluation/averages.py",
        '("macro", (support > 0).astype(np.float64)), ("weighted", support.astype(np.float64))',
        '("weighted", (support > 0).astype(np.float64)), ("macro", support.astype(np.float64))',
        "macro and weighted averages are exchanged",
        "reporting/test_scores.py",
    ),
    _of(
        "recall-for-precision", "evaluation/averages.py",
        "((hits, claimed), (hits, support),", "((hits, support), (hits, claimed),",
        "precision and recall are exchanged",
        "reporting/test_scores.py",
    ),
    _of(
        "seeds-variance", "evaluation/crossed.py",
        "means.var(ddof=1)", "means.var(ddof=0)",
        "the seeds' share of an interval is too small",
        "evaluation/test_statistics.py::test_shares_are_those_of_an_analysis_of_variance",
    ),
    _of(
        "interval-too-narrow", "evaluation/crossed.py",
        "share = (1 + level) / 2\n", "share = level\n",
        "intervals of 95 % are of 90 %",
        "evaluation/test_intervals.py::test_wilson_gives_the_worked_example",
    ),
    _of(
        "wilson-middle", "evaluation/intervals.py",
        "middle = (correct + z**2 / 2) / (n + z**2)", "middle = (correct + z**2 / 2) / n",
        "Wilson's interval is not drawn to one half",
        "evaluation/test_intervals.py::test_wilson_gives_the_worked_example",
    ),
    _of(
        "difference-sign", "evaluation/paired.py",
        "values = other.astype(np.int8) - one.astype(np.int8)", "values = one.astype(np.int8) - other.astype(np.int8)",
        "the interval of a paired difference has the wrong sign",
        "evaluation/test_statistics.py::test_the_interval_of_a_pair_is_bonett_and_prices",
    ),
    _of(
        "seeds-paired-wrongly", "reporting/comparisons.py",
        "[each.seeds.index(seed) for seed in seeds]",
        "[each.seeds.index(seed) for seed in seeds][:: 1 if each is one else -1]",
        "seed 0 of a method is compared with the last seed of another",
        "reporting/test_ranking.py::test_several_seeds_are_compared_seed_by_seed",
    ),
    _of(
        "holm-reversed", "evaluation/paired.py",
        "np.arange(len(values), 0, -1)", "np.arange(1, len(values) + 1)",
        "the smallest p is not multiplied by the number of tests",
        "evaluation/test_statistics.py::test_holm_of_a_worked_example",
    ),
    _of(
        "reported-less-reproduced", "evaluation/reported.py",
        "difference = found.mean - stated.value", "difference = stated.value - found.mean",
        "the difference from a paper's number has the wrong sign",
        "evaluation/test_statistics_reported.py::test_of_two_single_runs_the_interval_is_newcombes",
    ),
    _of(
        "verdict-too-kind", "evaluation/reported.py",
        "if -margin <= low and high <= margin:", "if -margin <= low or high <= margin:",
        "numbers pass for reproduced that are not",
        "evaluation/test_statistics_reported.py::test_the_rule",
    ),
    _of(
        "narrower-than-the-images", "evaluation/crossed.py",
        "max(joined(t * found.images**0.5, found, level), t * found.fixed**0.5)",
        "joined(t * found.images**0.5, found, level)",
        "intervals of few seeds are narrower than the sampling of images alone allows",
        "evaluation/test_moderated.py::test_no_interval_is_narrower_than_the_images_alone_allow",
    ),
    _of(
        "moderated-away", "evaluation/moderated.py",
        "weight * common.variance + (1 - weight) * variance", "(1 - weight) * common.variance + weight * variance",
        "the common variance over seeds gets the weight of a comparison's own",
        "evaluation/test_moderated.py::test_a_variance_is_drawn_towards_the_others_by_their_degrees_of_freedom",
    ),
    _of(
        "budget-not-asked", "evaluation/reported.py",
        "verdict = NOT_TESTED if departures else judge(", "verdict = judge(",
        "numbers of another network and fewer epochs get a verdict on the paper",
        "evaluation/test_statistics_reported.py::test_away_from_the_budget_nothing_is_tested",
    ),
    _of(
        "shared-images-count-twice", "evaluation/reported.py",
        "- 2 * together * ours * theirs", "- 4 * together * ours * theirs",
        "agreement on the same test set is shown too easily",
        "evaluation/test_statistics_reported.py::test_what_images_both_share_narrows_the_inner_interval_alone",
    ),
    _of(
        "readings-count-as-departures", "evaluation/departures.py",
        "if not fnmatchcase(str(there), OWN) and any(", "if False and any(",
        "another reading of a paper is no test of it",
        "evaluation/test_departures.py::test_another_reading_of_the_paper_is_no_departure_and_a_small_network_is_one",
    ),
    _of(
        "not-standardised", "evaluation/duplicates.py",
        "(groups[1] - groups[0]) @ removed / len(label)", "(groups[1] - groups[0]) @ remaining / len(label)",
        "what duplicates add is weighted by the wrong class mix",
        "evaluation/test_duplicates.py::test_the_standardised_accuracy_is_that_of_the_original_class_mix",
    ),
    _of(
        "calibration-signs-cancel", "evaluation/scores.py",
        "np.abs(gap).sum()", "np.abs(gap.sum())",
        "over- and underconfidence cancel each other in the calibration error",
        "reporting/test_scores.py",
    ),
    # ---- reporting, planning
    _of(
        "table-difference", "reporting/estimates.py",
        'mean["value"] - stated.value', 'stated.value - mean["value"]',
        "tables have reported and reproduced exchanged",
        "reporting/test_tables.py::test_csv_holds_the_numbers_in_full",
    ),
    _of(
        "ends-exchanged", "reporting/estimates.py",
        '"low": 100 * low, "high": 100 * high, "interval_method": how}',
        '"low": 100 * high, "high": 100 * low, "interval_method": how}',
        "the CSV states the upper end of an interval as its lower one",
        "reporting/test_tables.py::test_csv_holds_the_numbers_in_full",
    ),
    _of(
        "claims-of-any-part", "reporting/estimates.py",
        "and claim.part in (part, None)", "and claim.part != part",
        "a number reported for one part stands beside another",
        "reporting/test_tables.py::test_a_part_that_the_paper_names_is_kept_apart",
    ),
    _of(
        "option-and-default-exchanged", "reporting/sensitivity.py",
        "means[1][0] - means[0][0]", "means[0][0] - means[1][0]",
        "what an option is worth has the wrong sign",
        "reporting/test_sensitivity.py::test_a_swing_is_the_options_accuracy_minus_the_defaults",
    ),
    _of(
        "worst-ranked-first", "reporting/comparisons.py",
        "key=lambda k: -answers[k].hits.mean()", "key=lambda k: answers[k].hits.mean()",
        "the worst method is ranked first",
        "reporting/test_ranking.py::test_methods_stand_in_the_order_of_their_accuracy_with_exact_tests_against_the_best",
    ),
    _of(
        "matrix-transposed", "reporting/estimates.py",
        "(run.label[counted], run.predicted[counted])", "(run.predicted[counted], run.label[counted])",
        "confusion matrices have true and predicted classes exchanged",
        "figures/test_figures.py::test_confusion_counts_every_kept_image_once_a_seed",
    ),
    _of(
        "hash-not-compared", "release/manifest.py",
        'path.stat().st_size != listed["bytes"] or sha256(path) != listed["sha256"]',
        'path.stat().st_size != listed["bytes"]',
        "a released file may be altered as long as its size stays",
        "release/test_verify.py::test_what_is_not_as_released_is_named",
    ),
    _of(
        "validation-counted-twice", "planning/images.py",
        'found["train"] -= found[scheme["validation"]]', "pass",
        "the plan counts validation images as trained on, too",
        "plan/test_planning.py::test_images_of_each_part_are_those_of_the_owners",
    ),
    _of(
        "epochs-forgotten", "planning/estimate.py",
        "learnt = run.recipe.epochs * images.epoch(run, sizes)", "learnt = images.epoch(run, sizes)",
        "the plan says what one epoch takes, not all",
        "plan/test_planning.py::test_the_time_of_a_run_is_that_of_its_images",
    ),
)  # fmt: skip
