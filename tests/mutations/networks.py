"""Faults of networks, losses and optimizers; the list goes on from `listed.py`, whose head says what it is."""

from __future__ import annotations

from listed import _of

MUTATIONS = (
    # ---- feratt2019
    _of(
        "stem-pool", "networks/attention_map.py",
        "convolved, norm, relu, nn.MaxPool2d(2))", "convolved, norm, relu, nn.MaxPool2d(3, 2, 1))",
        "the encoder has torchvision's 3x3 maximum behind its stem, where the authors' code has a 2x2 one",
        "networks/test_golden.py::test_a_network_returns_what_it_did[ferattention-defaults]",
    ),
    _of(
        "corners-aligned", "networks/attention_map.py",
        "align_corners=False", "align_corners=True",
        "the decoder enlarges its maps by another rule",
        "networks/test_golden.py::test_a_network_returns_what_it_did[ferattention-encoder=compact]",
    ),
    _of(
        "attention-not-squashed", "networks/face_correction.py",
        "scores.sigmoid() * features", "scores * features",
        "features are multiplied with scores, not with an attention in 0..1",
        "networks/test_golden.py::test_a_network_returns_what_it_did[ferattention-encoder=compact]",
    ),
    _of(
        "leak", "networks/face_correction.py",
        "nn.LeakyReLU(0.2, inplace=True)", "nn.LeakyReLU(0.01, inplace=True)",
        "the residual blocks have PyTorch's slope, not the paper's",
        "networks/test_golden.py::test_a_network_returns_what_it_did[ferattention-encoder=compact]",
    ),
    _of(
        "long-skip", "networks/face_correction.py",
        "self.leave(self.blocks(entered)) + entered", "self.leave(self.blocks(entered))",
        "the features have lost the skip around their blocks",
        "networks/test_golden.py::test_a_network_returns_what_it_did[ferattention-encoder=compact]",
    ),
    _of(
        "renormalised-the-other-way", "networks/face_correction.py",
        "(self.spread * x + self.mean - 0.5) / 0.5", "(x - self.mean) / self.spread",
        "the corrected image is normalised by CIFAR-10's statistics, not from them",
        "networks/test_golden.py::test_a_network_returns_what_it_did[ferattention-encoder=compact]",
    ),
    _of(
        "halved-by-maximum", "networks/ferattention.py",
        "functional.avg_pool2d(self.renormalise(corrected), 2)",
        "functional.max_pool2d(self.renormalise(corrected), 2)",
        "the image is halved by the brightest of four pixels",
        "networks/test_golden.py::test_a_network_returns_what_it_did[ferattention-encoder=compact]",
    ),
    _of(
        "shortcut-before-normalisation", "networks/preactresnet.py",
        "self.shortcut(h)", "self.shortcut(x)",
        "the shortcuts of PreActResNet-18 leave out normalisation and ReLU",
        "networks/test_golden.py::test_a_network_returns_what_it_did[cnn-backbone=compact-resnet8]",
    ),
    # ---- tran2023
    _of(
        "values-not-multiplied", "networks/fusion_attention.py",
        "else (weights @ value) * value", "else weights @ value",
        "formula 1 has lost its product with V",
        "networks/test_golden.py::test_a_network_returns_what_it_did[fusion_attention-defaults]",
    ),
    _of(
        "softmax-over-queries", "networks/fusion_attention.py",
        "/ scale).softmax(dim=-1)", "/ scale).softmax(dim=-2)",
        "attention is normalised over the queries",
        "networks/test_golden.py::test_a_network_returns_what_it_did[fusion_attention-tokens=channels]",
    ),
    _of(
        "value-is-a-sum-of-three-halved", "networks/fusion_attention.py",
        "(a + b + mixed) / 3", "(a + b + mixed) / 2",
        "V is no mean",
        "networks/test_golden.py::test_a_network_returns_what_it_did[fusion_attention-defaults]",
    ),
    _of(
        "frozen-and-yet-training", "networks/two_branches.py",
        "            self.first.eval()\n", "",
        "a frozen extractor takes its statistics from the batch, and changes them",
        "networks/test_golden.py::test_a_network_returns_what_it_did[early_fusion-defaults]",
    ),
    _of(
        "frozen-and-yet-learning", "networks/two_branches.py",
        "            second.requires_grad_(False)\n", "",
        "the second extractor of early fusion is trained, too",
        "networks/test_golden.py::test_a_network_returns_what_it_did[early_fusion-defaults]",
    ),
    _of(
        "late-fusion-of-logarithms", "networks/fusion.py",
        "torch.logaddexp(p, q) - math.log(2)", "(p + q) / 2",
        "late fusion by the mean is one by the product",
        "networks/test_golden.py::test_a_network_returns_what_it_did[late_fusion-defaults]",
    ),
    _of(
        "vgg-pools-once-more", "networks/backbones/vgg.py",
        "    return Backbone(*stages, width=512)", "    return Backbone(*stages, nn.MaxPool2d(2), width=512)",
        "VGG's map is half as large as it is said to be",
        "networks/test_golden.py::test_a_network_returns_what_it_did[cnn-backbone=vgg11]",
    ),
    # ---- naseem2025, khalid2025
    _of(
        "side-by-side", "networks/interleaved_fusion.py",
        "torch.stack((a, b), dim=-1).flatten(1)", "torch.cat((a, b), dim=1)",
        "features stand one after the other, not in turn: trained weights do not fit",
        "networks/test_golden.py::test_a_network_returns_what_it_did[interleaved_fusion-defaults]",
    ),
    _of(
        "regions-without-themselves", "networks/attention.py",
        "self.norm(tokens + attended)", "self.norm(attended)",
        "self-attention has lost its residual",
        "networks/test_golden.py::test_a_network_returns_what_it_did[region_attention_net-backbone=compact,channels=1]",
    ),
    _of(
        "regions-without-place", "networks/attention.py",
        "placed = tokens + self.position", "placed = tokens",
        "self-attention does not know the regions' places",
        "networks/test_golden.py::test_a_network_returns_what_it_did[region_attention_net-backbone=compact,channels=1]",
    ),
    _of(
        "gated-sum", "networks/attention.py",
        "else weighted.mean(dim=1)", "else weighted.sum(dim=1)",
        "gated regions are summed, not averaged",
        "networks/test_golden.py::test_a_network_returns_what_it_did[region_attention_net-gate=sigmoid]",
    ),
    # ---- losses, optimizers
    _of(
        "attention-loss-steeper", "training/losses.py",
        "torch.tanh(3 * (clean", "torch.tanh(6 * (clean",
        "the attention loss has exp(12 d) for the paper's exp(6 d)",
        "training/test_losses.py::test_attention_loss_is_its_formula",
    ),
    _of(
        "structure-counts-empty-classes", "training/losses.py",
        ".masked_fill(weight == 0, -torch.inf)", "",
        "classes that are not in the batch draw representations to zero",
        "training/test_losses.py::test_classes_that_are_absent_from_the_batch_change_nothing",
    ),
    _of(
        "decay-coupled", "training/optimisation.py",
        'self.recipe.optimizer == "adamw"', 'self.recipe.optimizer == "adam"',
        "Adam and AdamW are exchanged",
        "training/test_training.py::test_a_step_is_that_of_pytorchs_own_optimizer_to_the_bit",
    ),
    _of(
        "moments-forget", "training/optimisation.py",
        "BETAS, EPSILON = (0.9, 0.999), 1e-8", "BETAS, EPSILON = (0.9, 0.99), 1e-8",
        "Adam's second moment forgets ten times as fast",
        "training/test_training.py::test_a_step_is_that_of_pytorchs_own_optimizer_to_the_bit",
    ),
    _of(
        "momentum-plain", "training/optimisation.py",
        "nesterov=momentum > 0", "nesterov=False",
        "SGD has lost Nesterov's momentum",
        "training/test_training.py::test_a_step_is_that_of_pytorchs_own_optimizer_to_the_bit",
    ),
)  # fmt: skip
