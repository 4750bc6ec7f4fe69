#include "latgrad/runner/serve.h"

#include <string>

#include "latgrad/runner/protocol.h"

namespace latgrad::runner {
namespace {

std::string reply_to(const std::string& line, Runner& runner, bool& opened) {
  try {
    Request request = parse_request(line);
    if (request.open) {
      RunnerInfo info = runner.open(*request.open);
      info.protocol = request.protocol;
      opened = true;
      return opened_reply(request.id, info);
    }
    if (!opened) return error_reply(request.id, "the first request must be \"open\"");
    if (request.load) {
      return loaded_reply(request.id, runner.load(request.load->view()));
    }
    if (request.time) return times_reply(request.id, runner.time(*request.time));
    return timings_reply(request.id, runner.measure(request.measure->view()));
  } catch (const std::exception& error) {
    return error_reply(id_of(line), error.what());
  }
}

}  // namespace

void serve(std::istream& in, std::ostream& out, Runner& runner) {
  bool opened = false;
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    out << reply_to(line, runner, opened) << '\n' << std::flush;
    if (!out) throw IoError("cannot write to the planner");
  }
}

}  // namespace latgrad::runner
