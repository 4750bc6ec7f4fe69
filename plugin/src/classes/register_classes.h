// The classes' entries in the table of contents, library.cpp.

#pragma once

#include <torch/library.h>

namespace latgrad {

void register_search_space(torch::Library& library);
void register_latency_model(torch::Library& library);
void register_latency_table(torch::Library& library);  // and NetEstimate
void register_net(torch::Library& library);
void register_measurement(torch::Library& library);

}  // namespace latgrad
