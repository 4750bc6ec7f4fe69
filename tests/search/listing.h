// Operators as lines that a person can compare:
// `Conv in,w,b -> out kernel=3 order=NCHW engine:NNPACK`

#pragma once

#include <string>
#include <vector>

#include "latgrad/net/net.h"

namespace latgrad::search {

inline std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : ",").append(word);
  return text;
}

inline std::vector<std::string> listing(const std::vector<net::Operator>& ops) {
  std::vector<std::string> lines;
  for (const net::Operator& op : ops) {
    std::string line = op.type;
    line.append(" ").append(joined(op.inputs)).append(" -> ").append(joined(op.outputs));
    for (const net::Argument& arg : op.args) {
      line.append(" ").append(arg.name).append("=");
      if (arg.i) line.append(std::to_string(*arg.i));
      if (arg.s) line.append(*arg.s);
      if (arg.f) line.append(*arg.f == 1.0f ? "1" : *arg.f == 1.0f / 256 ? "1/256" : "?");
    }
    if (!op.engine.empty()) line.append(" engine:").append(op.engine);
    lines.push_back(line);
  }
  return lines;
}

}  // namespace latgrad::search
