// The networks that a command line names.

#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "latgrad/net/input_shape.h"
#include "latgrad/net/net.h"

namespace latgrad::profile {

struct NamedNet {
  std::string name;  // "FBNet-C/int8": the last two parts of its path, without the file
  net::Net net;
};

// Each path is a folder with model.pb or model.pbtxt, or a file.
// Errors: as net::read_net; ValueError for an input that no network has.
std::vector<NamedNet> read_nets(std::span<const std::filesystem::path> paths,
                                std::span<const net::InputShape> inputs);

}  // namespace latgrad::profile
