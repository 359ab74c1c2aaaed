"""A report of one picture to hand over: facts first, then sentences filled from them, then one self-contained page. This module needs no torch.

`facts.gather` measures, `figures.figures` lists every number by name, `sentences.sentences` chooses templates by rules on the numbers, `page.page` lays
all of it out in HTML that prints on A4. No sentence says what no figure shows.
"""

METHODS = ("gradcam", "occlusion", "norm_occlusion")  # one of each kind: by gradients, by hiding, and of FeatureNorm
RISK, SHARE = 0.01, 0.05  # of what the machine decides, wrong; of the pictures, unknown: what a hand-off assumes unless told otherwise
