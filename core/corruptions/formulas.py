"""Formulas of the corruptions that have a short one, by the names of the table. The others are described in words alone."""

LEGEND = r"""
$x$ is a value of a channel in $[0, 1]$, $x'$ what becomes of it before it is clipped to $[0, 1]$ and cut to 8 bits; $c$ is the severity's number.
"""

FORMULAS = {
    "gaussian_noise": r"x' = x + c \varepsilon, \quad \varepsilon \sim \mathcal{N}(0, 1)",
    "shot_noise": r"x' = \frac{n}{c}, \quad n \sim \operatorname{Poisson}(c x)",
    "brightness": r"x' = x \frac{\min(1, v + c)}{v}, \quad v = \text{the highest of the pixel's channels}",
    "contrast": r"x' = \mu + c (x - \mu), \quad \mu = \text{the channel's mean}",
    "fog": r"x' = (x + c g) \frac{h}{h + c}, \quad g = \text{clouds in [0, 1]}, \quad h = \text{the picture's highest value}",
    "zoom_blur": r"x' = \frac{1}{n + 1} (x + \sum_{j=1}^{n} \operatorname{zoom}_j(x))",
    "color_quant": r"x' = \frac{2^{8-c}}{255} \lfloor \frac{255 x}{2^{8-c}} \rfloor",
    "speckle_noise": r"x' = x (1 + c \varepsilon), \quad \varepsilon \sim \mathcal{N}(0, 1)",
}
