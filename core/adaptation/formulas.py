"""The adaptation methods' formulas as their code computes them, by the names of the table."""

LEGEND = r"""
A batch has $n$ pictures $x_i$ of $C$ classes with logits $z_i = z(x_i; \theta)$, their softmax $p_i$ and its entropy $H_i = -\sum_c p_{ic} \ln p_{ic}$ in
nats; $\hat f$ are features of length 1. $L$ is what one step of the optimiser goes down, for the weights $\theta$: the scales and shifts of the
normalisation layers (in SAR but for the last stage), or, in CoTTA, RMT and $L_2$ of DPLOT, all. Batch norms use the statistics of the batch unless the
formula says otherwise. $\hat z_i$ are the logits that are returned, those before the step. A raised $0$ marks the source model, $t$ the EMA teacher;
$\leftarrow$ is what follows the step.

$A$ is a random view; $a \circ b = -\frac{1}{2} \sum_c (\sigma_c(b) \ln \sigma_c(a) + \sigma_c(a) \ln \sigma_c(b))$ the symmetric cross-entropy of two
logits with softmax $\sigma$; $[\cdot]$ is 1 where it is so, else 0; $\bar p$ a moving average of the softmax in EATA, the mean of the batch in ROID.

Of the parameters, $m$ is `momentum`, $\lambda$ `fisher` or `push`, $\lambda_c$ `contrast`, $\lambda_r$ `replay`, $\rho$ `rho`, $d$ `distance`, $V$ `views`,
$\alpha$ `alpha`, $\nu$ `nu`, $k$ `neighbours`, $\tau$ `temperature`, $\kappa$ `keep`.
"""

_NORM = r"a' = \gamma \frac{a - \mu}{\sqrt{v + \epsilon}} + \beta \quad \text{in each batch norm}"
_TEACHER = r"\theta^t \leftarrow m \theta^t + (1 - m) \theta"
_PAIR = r"L_2 = \frac{1}{n} \sum_i (z_i \circ \bar z_i + \tilde z_i \circ \bar z_i), \quad \bar z_i = \frac{1}{2} (z_i^t + \tilde z_i^t)"
_FOUR = r"\hat z_i = \frac{1}{4} (z_i + \tilde z_i + z_i^t + \tilde z_i^t), \quad \tilde z = \text{of the flip}"

FORMULAS = {
    "source": r"\hat z_i = z(x_i; \theta^0)",
    "bn": rf"{_NORM}, \quad \mu, v = \text{{mean and variance of the batch}}",
    "bn_alpha": rf"{_NORM}, \quad \mu = (1 - \alpha) \mu^0 + \alpha \mu^B, \quad v = (1 - \alpha) v^0 + \alpha v^B",
    "tent": r"L = \frac{1}{n} \sum_i H_i",
    "come": r"L = -\frac{1}{n} \sum_i (u_i \ln u_i + \sum_c b_{ic} \ln b_{ic}), \quad b_{ic} = \frac{\exp z_{ic}}{C + \sum_k \exp z_{ik}}, "
    r"\quad u_i = \frac{C}{C + \sum_k \exp z_{ik}}, \quad \Vert z_i \Vert \text{ held fixed}",
    "eata": r"L = \frac{1}{|S|} \sum_{i \in S} w_i H_i + \lambda \sum_j F_j (\theta_j - \theta_j^0)^2, \quad w_i = \exp(E_0 - H_i) \text{ held fixed}, "
    r"\quad S = \lbrace i : H_i < E_0, |\cos(p_i, \bar p)| < d \rbrace, \quad E_0 = \text{margin} \cdot \ln C",
    "sar": r"L = \frac{1}{|S'|} \sum_{i \in S'} H_i(\theta + e), \quad e = \rho \frac{g}{\Vert g \Vert}, "
    r"\quad g = \nabla_\theta \frac{1}{|S|} \sum_{i \in S} H_i, \quad S = \lbrace i : H_i < E_0 \rbrace, "
    r"\quad S' = \lbrace i \in S : H_i(\theta + e) < E_0 \rbrace, \quad E_0 = \text{margin} \cdot \ln C, "
    r"\quad \theta \leftarrow \theta^0 \text{ where the moving average of } L \text{ falls below the floor}",
    "cotta": r"L = -\frac{1}{n} \sum_i \sum_c \sigma_c(\hat z_i) \ln p_{ic}, \quad \hat z_i = \frac{1}{V} \sum_{v=1}^{V} z(A_v(x_i); \theta^t), "
    rf"\quad {_TEACHER}, \quad \theta_j \leftarrow \theta_j^0 \text{{ with the probability restore}}, "
    r"\quad A(x) = x \text{ where the source's mean confidence reaches the threshold}",
    "rotta": r"L = -\frac{1}{|M|} \sum_{i \in M} \frac{\exp(-a_i)}{1 + \exp(-a_i)} \sum_c p_{ic}^t \ln p_c(A(x_i)), "
    r"\quad M = \text{the memory}, \quad a_i = \frac{\text{age}}{\text{capacity}}, \quad \theta^t \leftarrow (1 - \nu) \theta^t + \nu \theta, "
    r"\quad \hat z_i = z_i^t, \quad \mu \leftarrow (1 - \alpha) \mu + \alpha \mu^M, \text{ and the variance alike}",
    "lame": r"y_i \leftarrow \sigma(\ln p_i + \sum_j K_{ij} y_j), \quad K_{ij} = \exp(-\frac{\Vert \hat f_i - \hat f_j \Vert^2}{2 w^2}), "
    r"\quad w = \text{mean distance to the k-th neighbour, itself the first}, \quad \hat z_i = \ln y_i",
    "roid": r"L = \frac{1}{n} \sum_i w_i (z(A(x_i)) \circ z_i - \sum_c p_{ic} \ln \frac{p_{ic}}{1 - p_{ic}}), "
    r"\quad w_i = [u_i \geq \bar u] \exp(u_i h_i / \tau), \quad u = \operatorname{minmax}(1 - \cos(p_i, q)), \quad h = \operatorname{minmax}(-H_i), "
    r"\quad p_{ic} \text{ cut off at 0.99 in this sum}, \quad q = \text{the moving average of } \bar p, "
    r"\quad \theta \leftarrow \kappa \theta + (1 - \kappa) \theta^0, "
    r"\quad \hat z_i = z_i \frac{\bar p + s}{1 + s C}, \quad s = \frac{\max(1/n, 1/C)}{\max_c \bar p_c}",
    "rmt": r"L = \frac{1}{2 n} \sum_i (z_i \circ z_i^t + z(A(x_i)) \circ z_i^t) - \frac{\lambda_c}{6 n} \sum_a \sum_{b \in P(a)} "
    r"\ln \frac{\exp(v_a^\top v_b / \tau)}{\sum_{k \neq a} \exp(v_a^\top v_k / \tau)} - \frac{\lambda_r}{|R|} \sum_{(x, y) \in R} \ln p_y(x), "
    r"\quad v = \text{unit projections of the features of a picture, of its view and of the nearest class mean}, "
    r"\quad P(a) = \text{the two others of the same picture}, "
    rf"\quad R = \text{{labelled source pictures}}, \quad {_TEACHER}, \quad \hat z_i = \frac{{1}}{{2}} (z_i + z_i^t)",
    "dplot": rf"L_1 = \frac{{1}}{{2 n}} \sum_i (H_i + \tilde H_i) \text{{ on the selected blocks}}, \quad {_PAIR}, \quad {_TEACHER}, \quad {_FOUR}",
    "dplot_gated": r"L_1 = \frac{1}{2 |K|} \sum_{i \in K} (H_i + \tilde H_i) - \frac{\lambda}{2 n} \sum_{i \in U} (H_i + \tilde H_i) "
    r"\text{ on the selected blocks}, \quad \pi_i = \text{p-value of a frozen source model}, "
    r"\quad K = \lbrace i : \pi_i > \text{accept} \rbrace, \quad U = \lbrace i : \pi_i \leq \min(\text{reject}, \text{accept}) \rbrace, "
    rf"\quad L_2 \text{{ as DPLOT's, over }} K, \quad {_FOUR}",
}
