"""The training methods' formulas as their code computes them, by the names of the table."""

LEGEND = r"""
$L$ is the mean loss of a batch of $n$ pictures $x_i$ with labels $y_i$, in nats; $\ell(x, y) = -\ln p_y(x)$ is the cross-entropy of a picture and a label.
$j$, $k$, $l$ are random orders of the batch: another picture for each $i$. $\alpha$ is `alpha`, $\epsilon$ `eps` of a pixel's range of 1, and every
picture draws its own shares $\lambda_i$ and $\mu_i$. What is attacked is clipped to $[0, 1]$.
"""

_SHARE = r"\quad \lambda_i \sim \operatorname{Beta}(\alpha, \alpha)"

FORMULAS = {
    "standard": r"L = \frac{1}{n} \sum_i \ell(x_i, y_i)",
    "mixup": r"L = \frac{1}{n} \sum_i (\lambda_i \ell(\tilde x_i, y_i) + (1 - \lambda_i) \ell(\tilde x_i, y_j)), "
    rf"\quad \tilde x_i = \lambda_i x_i + (1 - \lambda_i) x_j, {_SHARE}",
    "m-tlat": r"L = \frac{1}{n} \sum_i (0.9 [\lambda_i \ell(x'_i, y_i) + (1 - \lambda_i) \ell(x'_i, y_j)] + 0.1 \tau_i(x'_i)), "
    r"\quad x'_i = \tilde x_i - \epsilon_i \operatorname{sign} \nabla \tau_i(\tilde x_i), \quad \tilde x_i = \lambda_i x_i + (1 - \lambda_i) x_j, "
    r"\quad \tau_i(x) = \mu_i \ell(x, y_k) + (1 - \mu_i) \ell(x, y_l), "
    r"\quad \lambda_i, \mu_i \sim \operatorname{Beta}(\alpha, \alpha), \quad \epsilon_i \sim \operatorname{Uniform}(0, \epsilon)",
    "adversarial-mixup": r"L = \frac{1}{n} \sum_i \ell(\tilde x_i, y_i), \quad \tilde x_i = \lambda_i x_i + (1 - \lambda_i) x'_i, "
    rf"\quad x'_i = x_i + \epsilon \operatorname{{sign}} \nabla \ell(x_i, y_i), {_SHARE}",
}
