"""save_module.py SPACE LUT OUT: saves a TorchScript module that carries a LatencyModel, for the test in C++.

The LUT is deleted: what loads the module must not need it.
"""

import os
import sys
import warnings

import torch

import latgrad


class Term(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.answer_us = 0.0

    def forward(self, probs):
        return torch.ops.latgrad.expected_latency(probs, self.model.table_us()) + self.model.fixed_us()


space, lut, out = sys.argv[1:]
term = Term(latgrad.LatencyModel(space, lut))
os.remove(lut)
term.answer_us = term(torch.full((4, 4), 0.25, dtype=torch.float64)).item()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TorchScript is deprecated in newer versions, and works
    torch.jit.script(term).save(out)
