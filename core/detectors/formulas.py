"""The detectors' formulas as their code computes them, by the names of the table."""

LEGEND = r"""
$s(x)$ is the score of a picture $x$, higher = more ID, computed in double precision from what was measured in single. $f$ are the $D$ penultimate
features, $\hat f$ the same set to length 1, $z = W f + b$ the $C$ logits with rows $w_c$ of $W$, $p$ their softmax $\sigma(z)$, $\hat y$ the predicted
class and $E(x) = \ln \sum_c \exp z_c(x)$ the energy. A number in brackets is a rank from the highest: $z_{(1)}$ is the highest logit. $N_\ell$ is the
FeatureNorm of block $\ell$, $\ast$ the selected block. $B$ is the bank of known pictures that a detector is fitted on, $H$ the held-out ones. $[\cdot]$ is
1 where it is so, else 0.

Of the parameters, $T$ is `temperature`, $\gamma$ `gamma`, $M$ `top`,
$k$ `k`, $q$ `percentile`, $d$ `dim`, $\alpha$ `steepness` or `alpha`, $r$ `full`, $L$ `logits`.
"""

_MOVED = r"x' = x - 0.0014 \cdot \operatorname{sign} \nabla_x [-\ln \sigma_{\hat y}(z(x) / 1000)]"
_NORMED = r"\tilde z(x) = N_\ast(x) W \hat f(x) + b"
_NEAREST = r"s(x) = -\min_c (u - \mu_c)^\top \Sigma_r^{-1} (u - \mu_c), \quad \Sigma_r = \Sigma + 0.001 \frac{\operatorname{tr} \Sigma}{\dim u} I"
_SHAPED = r"s(x) = \ln \sum_c \exp(w_c^\top g + b_c)"
_STRONGEST = r"S = \text{the } D (1 - q / 100) \text{ strongest features}"

FORMULAS = {
    "consensus": r"s(x) = \sum_m \ln \pi_m(x), \quad \pi_m(x) = \frac{1 + \sum_{h \in H} [s_m(h) \leq s_m(x)]}{1 + |H|}",
    "featurenorm": r"s(x) = N_\ast(x) = \frac{1}{n} \sum_{k=1}^{n} \sqrt{\sum_u \max(0, a_{k,u})^2}, "
    r"\quad a = \text{the block's output with } n \text{ channels } k \text{ and positions } u",
    "msp": r"s(x) = \max_c p_c(x)",
    "maxlogit": r"s(x) = \max_c z_c(x)",
    "energy": r"s(x) = T \ln \sum_c \exp(z_c(x) / T)",
    "gen": r"s(x) = -\sum_{j=1}^{\min(M, C)} (p_{(j)} (1 - p_{(j)}))^{\gamma}",
    "odin": rf"s(x) = \max_c \sigma_c(z(x') / T), \quad {_MOVED}",
    "msp_selected_norm": rf"s(x) = \max_c \sigma_c(\tilde z(x)), \quad {_NORMED}",
    "energy_selected_norm": rf"s(x) = T \ln \sum_c \exp(\tilde z_c(x) / T), \quad {_NORMED}",
    "odin_selected_norm": rf"s(x) = \max_c \sigma_c(\tilde z(x') / T), \quad {_NORMED}, \quad {_MOVED}",
    "knn": r"s(x) = -\sqrt{2 - 2 t_{(k)}}, \quad t_j = \hat f(x)^\top \hat f(b_j) \text{ for } b_j \in B",
    "nnguide": r"s(x) = E(x) \cdot \frac{1}{k} \sum_{j=1}^{k} t_{(j)}, \quad t_j = E(b_j) \hat f(x)^\top \hat f(b_j) \text{ for } b_j \in B",
    "mahalanobis": rf"{_NEAREST}, \quad u = f(x)",
    "mahalanobis_middle": rf"{_NEAREST}, \quad u = \text{{means of the block's channels}}",
    "rmds": r"s(x) = d_0(x) - \min_c d_c(x), \quad d_c(x) = (f - \mu_c)^\top \Sigma_r^{-1} (f - \mu_c), \quad d_0 = \text{the same of all classes as one}",
    "vim": r"s(x) = E(x) - \beta \Vert R^\top (f(x) - o) \Vert, \quad o = -W^{+} b, \quad \beta = \frac{\sum_B \max_c z_c}{\sum_B \Vert R^\top (f - o) \Vert}, "
    r"\quad R = \text{the directions but the } d \text{ principal ones of } f - o \text{ on } B",
    "fdbd": r"s(x) = \frac{1}{(C - 1) \Vert f(x) - \mu \Vert} \sum_{c \neq \hat y} \frac{z_{\hat y} - z_c}{\Vert w_{\hat y} - w_c \Vert}",
    "nci": r"s(x) = \frac{w_{\hat y}^\top (f(x) - \mu)}{\Vert f(x) - \mu \Vert} + \alpha \Vert f(x) \Vert_1",
    "react": rf"{_SHAPED}, \quad g_i = \min(f_i, q'), \quad q' = \text{{the q-th percentile of all features of }} B",
    "ash_b": rf"{_SHAPED}, \quad g_i = [i \in S] \frac{{\sum_j f_j}}{{|S|}}, \quad {_STRONGEST} \text{{ but zeros}}",
    "ash_s": rf"{_SHAPED}, \quad g_i = [i \in S] f_i \exp \frac{{\sum_j f_j}}{{\sum_{{j \in S}} f_j}}, \quad {_STRONGEST}",
    "scale": rf"{_SHAPED}, \quad g_i = f_i \exp \frac{{\sum_j f_j}}{{\sum_{{j \in S}} f_j}}, \quad {_STRONGEST}",
    "nac": r"s(x) = \frac{1}{D} \sum_i \min(1, \frac{n_i(x)}{r}), \quad n_i(x) = \sum_{b \in B} [v_i(b) \text{ in the bin of } v_i(x)], "
    r"\quad v_i = \frac{1}{1 + \exp(-\alpha f_i \sum_c (p_c - 1/C) W_{ci})}",
    "jigsaw": r"s(x) = \beta_0 + \sum_j \beta_j \frac{r_j - m_j}{d_j}, \quad r = (\ln N_1, \ln N_2, \ldots, z_{(1)}, \ldots, z_{(L)})",
}
