// The networks that a command line names.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "latgrad/net/input_shape.h"
#include "latgrad/net/net.h"

namespace latgrad::profile {

// What a command line names, in its order.
struct NetFiles {
  std::vector<std::filesystem::path> nets;   // folders with model.pb or model.pbtxt, or files
  std::vector<std::filesystem::path> inits;  // one for each network, or none: found next to it
  std::vector<net::InputShape> inputs;
};

struct NamedNet {
  std::string name;  // "FBNet-C/int8": the last two parts of its path, without the file
  net::Net net;
  std::vector<std::string> unread_parameters = {};  // of the whole file, whatever branch is taken
};

// Ready for shape inference. An input applies to every network that takes a blob of that name from outside,
// or else to those in which an operator writes it. Errors: as net::read_net; ValueError for an input that no
// network has, and if the numbers of init nets and networks differ.
std::vector<NamedNet> read_nets(const NetFiles& files);

}  // namespace latgrad::profile
