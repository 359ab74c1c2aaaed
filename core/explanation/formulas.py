"""The explanations' formulas as their code computes them, by the names of the table."""

LEGEND = r"""
$M(u)$ is the map at pixel $u$. The picture $x$ is normalised, so that 0 is the mean colour; $z_c$ is the logit of the class, $p_c$ its softmax, $N_\ell$ the
FeatureNorm of block $\ell$ and $a_{k,v}$ its map, channels $k$ and $h w$ positions $v$. $\uparrow$ enlarges a map to the picture, bilinearly, and $y^{+}$ is
$\max(0, y)$. In *Masks*, $s$ and $q$ are the softmax of the picture when all but the mask, and when the mask alone, is blurred; a prime marks the shares of
the other classes among themselves. In *ContraCAM*, $f$ are the penultimate features and $\tau$ is `temperature`.
"""

_PATH = r"M(u) = \sum_{\text{rgb}} x_u \sum_j \omega_j \frac{\partial #}{\partial x_u}(\alpha_j x), \quad \alpha, \omega = \text{Gauss-Legendre on [0, 1]}"
_WINDOWS = r"M(u) = \frac{1}{|\Omega_u|} \sum_{w \in \Omega_u} (#(x) - #(x \text{ with } w \text{ set to } 0)), \quad \Omega_u = \text{windows that hide } u"

FORMULAS = {
    "gradcam": r"M = \uparrow \sum_k \beta_k a_k, \quad \beta_k = \frac{1}{h w} \sum_v \frac{\partial z_c}{\partial a_{k,v}}",
    "integrated_gradients": _PATH.replace("#", "z_c"),
    "occlusion": _WINDOWS.replace("#", "z_c"),
    "rsp": r"M(u) = \sum_{\text{rgb}} R_u, \quad R = R^{+} - R^{-} \text{ from Grad-CAM of the class less that of its rivals}, "
    r"\quad R_i^{\pm} = x_i^{+} \sum_j \frac{G_{ij}^{\pm} R_j^{\pm}}{\sum_k x_k^{+} G_{kj}^{\pm}} "
    r"\text{ through a convolution}, \quad G_{ij}^{\pm} = \sum_{\text{shared weight}} x_i^{+} R_j^{\pm}, "
    r"\quad R_i \leftarrow 2 R_i - [R_i \neq 0] \frac{\sum_k R_k}{|R \neq 0|} \text{ where its kernel is larger than one}",
    "contracam": r"M = \max_t \operatorname{minmax} (\uparrow (\sum_k \beta_k^{+} a_k)^{+}), "
    r"\quad \beta_k = \frac{1}{h w} \sum_v \frac{\partial s}{\partial a_{k,v}}, "
    r"\quad s = \cos(f(x_t), f(x)) / \tau - \ln \sum_o \exp(\cos(f(x_t), f(o)) / \tau), \quad o = \text{other pictures}, \quad x_t = x (1 - M_{t-1})",
    "mask": r"M = \frac{1}{2} (m_1 + m_2), \quad m_1 = \operatorname{argmin} (K + \frac{1}{2} D + A), "
    r"\quad m_2 = \operatorname{argmin} (\frac{1}{2} K + D + A), \quad A = \text{area} + \text{roughness}, "
    r"\quad K = b(p_c - s_c) + b(1 - s_c), \quad D = b(\frac{1}{2} \sum_{o \neq c} |p'_o - q'_o|) - b((p_c - q_c)^{+}), \quad b(d) = \log_2(1 + |d|)",
    "norm_gradients": _PATH.replace("#", r"N_\ell"),
    "norm_occlusion": _WINDOWS.replace("#", r"N_\ell"),
}
