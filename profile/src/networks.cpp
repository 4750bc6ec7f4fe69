#include "latgrad/profile/networks.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/base/error.h"
#include "latgrad/net/read_net.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;

std::string short_name(const fs::path& path) {
  fs::path full = fs::absolute(path).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();  // "FBNet-C/"
  if (fs::is_regular_file(full) && full.stem() == "model") full = full.parent_path();
  return (full.parent_path().filename() / full.filename()).string();
}

}  // namespace

std::vector<NamedNet> read_nets(std::span<const fs::path> paths, std::span<const net::InputShape> inputs) {
  std::vector<NamedNet> nets;
  for (const fs::path& path : paths) nets.push_back({short_name(path), net::read_net(path)});
  for (const net::InputShape& input : inputs) {
    bool found = false;
    for (NamedNet& net : nets) {
      if (!net::is_data_input(net.net, input.blob)) continue;
      net::set_input(net.net, input.blob, input.shape, input.dtype);
      found = true;
    }
    if (!found)
      throw ValueError(fmt::format("--input must name an input of a network, got \"{}\"", input.blob));
  }
  return nets;
}

}  // namespace latgrad::profile
