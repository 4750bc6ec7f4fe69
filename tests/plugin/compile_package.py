"""compile_package.py OUT SPACE LUT NETWORK: compiles a module of every operator, and a network, ahead of time.

The module takes theta [4, 5] and gives the latencies of each operator; its tables are buffers.
"""

import sys

import torch

import latgrad  # registers the operators


class Term(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table_us", torch.arange(20.0).reshape(4, 5) + 1)
        self.register_buffer("fleet_us", torch.stack([self.table_us, 2 * self.table_us]))
        self.register_buffer("chain_us", torch.arange(100.0).reshape(4, 5, 5) + 1)
        self.register_buffer("valid", torch.arange(20).reshape(4, 5) % 3 != 1)
        self.register_buffer("noise", torch.linspace(-1, 1, 20).reshape(4, 5))
        self.register_buffer("arch", torch.tensor([0, 1, 2, 3]))

    def forward(self, theta):
        ops = torch.ops.latgrad
        weights, sample_us = ops.gumbel_latency_sample(theta, self.fleet_us, self.noise, 0.7, self.valid, False)
        return (
            ops.expected_latency(theta.softmax(-1), self.table_us),
            ops.softmax_latency(theta, self.table_us, self.valid),
            weights,
            sample_us,
            ops.arch_latency(self.arch, self.table_us),
            ops.chain_latency(theta.softmax(-1), self.chain_us),
            ops.chain_arch_latency(self.arch, self.chain_us),
        )


inductor = getattr(torch, "_inductor", None)
if not hasattr(inductor, "aoti_compile_and_package"):
    sys.exit("AOTInductor packages came with torch 2.6")
program = torch.export.export(Term(), (torch.zeros(4, 5),))
inductor.aoti_compile_and_package(program, package_path=sys.argv[1])

space, model = latgrad.SearchSpace(sys.argv[2]), latgrad.LatencyModel(sys.argv[2], sys.argv[3])
arch = model.valid().long().argmax(-1)
network = latgrad.PricedNetwork(latgrad.Network.from_space(space, arch).eval(), model, arch, "p90")
with torch.no_grad():
    latgrad.save_network(network, sys.argv[4], torch.zeros(space.input_shape()), compiled=True)
