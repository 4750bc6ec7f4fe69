#include "latgrad/profile/networks.h"

#include <fmt/format.h>

#include <optional>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/inline_branches.h"
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

std::vector<NamedNet> read_nets(const NetFiles& files) {
  if (!files.inits.empty() && files.inits.size() != files.nets.size()) {
    throw ValueError(fmt::format("--init must be given once for each --net, in the same order, got {} for {}",
                                 files.inits.size(), files.nets.size()));
  }
  std::vector<NamedNet> nets;
  for (size_t i = 0; i < files.nets.size(); ++i) {
    const auto init = files.inits.empty() ? std::nullopt : std::optional(files.inits[i]);
    nets.push_back({short_name(files.nets[i]), net::read_net(files.nets[i], init, files.inputs), {}});
  }
  for (const net::InputShape& input : files.inputs) {
    const auto set_where = [&](auto is_meant) {
      bool found = false;
      for (NamedNet& net : nets) {
        if (!is_meant(net.net, input.blob)) continue;
        net::set_input(net.net, input.blob, input.shape, input.dtype);
        found = true;
      }
      return found;
    };
    if (set_where(net::is_read_from_outside) || set_where(net::is_written)) continue;
    throw ValueError("--input must name a blob that an operator of a network reads or writes",
                     {.blob = input.blob});
  }
  for (NamedNet& net : nets) {
    net.unread_parameters = net::unread_parameters(net.net);
    net::inline_branches(net.net);
  }
  return nets;
}

}  // namespace latgrad::profile
