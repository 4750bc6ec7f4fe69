// A network as a TorchScript module that classifies images and knows its own latency.
//
//   save_priced_network(*network, prices, arch, "network.pt");
//
//   torch.jit.load("network.pt").latency_us()      # in Python, after `import latgrad`; needs no table

#pragma once

#include <torch/types.h>

#include <filesystem>

#include "prices.h"
#include "supernet.h"

namespace fbnet_supernet {

// Its methods are forward(images), latency_us(statistic=None) and architecture(), its attribute `statistic`
// is that of the prices, which latency_us() takes where none is given. It has a submodule for each
// convolution, named as the blob that the convolution writes in the Caffe2 network. `arch` is int64 [L].
// Written under a temporary name and renamed.
void save_priced_network(const NetworkImpl& network, const Prices& prices, const torch::Tensor& arch,
                         const std::filesystem::path& path);

}  // namespace fbnet_supernet
