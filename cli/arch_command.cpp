#include <fmt/format.h>

#include <memory>
#include <optional>
#include <unordered_map>

#include "command.h"
#include "latgrad/base/json.h"
#include "latgrad/lut/missing_json.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/netdef.h"
#include "latgrad/search/lowering.h"
#include "memory_text.h"
#include "net_options.h"
#include "onnx_output.h"
#include "output.h"
#include "pricing_options.h"
#include "quantities.h"
#include "space_lookup.h"
#include "text_table.h"

namespace latgrad::cli {

namespace {

constexpr const char* kDescription =
    "Price one architecture of a search space, and write it as a Caffe2 network or an ONNX model";

constexpr const char* kFooter =
    "Examples:\n"
    "  latgrad arch fbnet FBNet-A --lut lut.json\n"
    "  latgrad arch fbnet 7818488874147327324245 --lut lut.json --json\n"
    "  latgrad arch fbnet FBNet-C --precision fp32 --netdef model.pbtxt --init-out model_init.pbtxt\n"
    "  latgrad arch fbnet FBNet-C --precision fp32 --onnx model.onnx\n\n"
    "ARCH is a name from the space file, one digit per layer, or block names or indices separated by\n"
    "commas or spaces: \"k3_e1,skip,...\".\n\n"
    "Exit codes: 0 complete, 3 the table lacks an operator of the architecture, 1 error, 2 wrong usage.";

constexpr const char* kStandardOutput = "-";

struct ArchOptions {
  std::string space;
  std::string arch;
  PricingOptions pricing;
  std::string precision = "int8";
  bool json = false;
  std::string netdef;
  std::string init_out;
  OnnxOutput onnx;
};

// A part of the network that is priced on its own: the fixed part or a layer.
struct Part {
  std::string name;       // "fixed", "layer 3 k5_e6"
  std::string candidate;  // empty for the fixed part
  lut::Estimate estimate;
};

struct PricedArch {
  lut::Estimate estimate;  // of the whole network
  Part fixed;
  std::vector<Part> layers;
  lut::MissingOperators missing;
};

struct ShownArch {
  search::Space space;
  search::Architecture arch;
  search::Precision precision;
  net::Net net;
  net::NetShapes shapes;
  std::optional<PricedArch> priced;
};

using EstimatedOperators = std::unordered_map<std::string, lut::OpEstimate>;  // by canonical key

// Prices a part and collects the operators that the table lacks.
Part price_part(std::string name, std::string candidate, const net::Net& net, const Pricing& pricing,
                const EstimatedOperators& estimated, lut::MissingOperators& missing) {
  const net::NetShapes shapes = net::infer_shapes(net);
  Part part{std::move(name), std::move(candidate),
            lut::estimate(net, shapes, pricing.table, pricing.options)};
  // What was estimated for the whole network is the same in its parts.
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (part.estimate.ops[i].time_us) continue;
    const auto known = estimated.find(lut::canonical(lut::operator_key(net.ops[i], shapes.ops[i])));
    if (known != estimated.end()) part.estimate.ops[i] = known->second;
  }
  lut::add_up(part.estimate);
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (!part.estimate.ops[i].time_us) missing.add(lut::operator_key(net.ops[i], shapes.ops[i]), part.name);
  }
  return part;
}

PricedArch price(const ShownArch& shown, const Pricing& pricing) {
  PricedArch priced;
  priced.estimate = pricing.estimate(shown.net, shown.shapes);
  EstimatedOperators estimated;
  for (size_t i = 0; i < shown.net.ops.size(); ++i) {
    const lut::OpEstimate& op = priced.estimate.ops[i];
    if (op.records.empty() && op.time_us) {
      estimated.emplace(lut::canonical(lut::operator_key(shown.net.ops[i], shown.shapes.ops[i])), op);
    }
  }
  const auto last = static_cast<size_t>(shown.arch.back());
  priced.fixed = price_part("fixed", "", search::lower_fixed(shown.space, shown.precision, last), pricing,
                            estimated, priced.missing);
  for (size_t i = 0; i < shown.arch.size(); ++i) {
    const auto choice = static_cast<size_t>(shown.arch[i]);
    const std::string& candidate = shown.space.layers()[i].candidates[choice];
    const size_t predecessor = i == 0 ? 0 : static_cast<size_t>(shown.arch[i - 1]);
    const net::Net block = search::lower_block(shown.space, i, choice, shown.precision, predecessor);
    priced.layers.push_back(price_part(fmt::format("layer {} {}", i + 1, candidate), candidate, block,
                                       pricing, estimated, priced.missing));
  }
  return priced;
}

void add_price(base::Json& json, const ShownArch& shown, const Pricing& pricing) {
  const PricedArch& priced = *shown.priced;
  pricing.add_to(json);
  json["total_us"] = base::or_null(priced.estimate.total_us());
  add_interval(json, pricing.interval(priced.estimate));
  json["found_us"] = priced.estimate.found_us;
  json["all_found"] = priced.estimate.all_found;
  json["fixed_us"] = base::or_null(priced.fixed.estimate.total_us());
  json["layers"] = base::Json::array();
  for (size_t i = 0; i < priced.layers.size(); ++i) {
    json["layers"].push_back({{"layer", i},  // from 0, like all indices in JSON
                              {"candidate", priced.layers[i].candidate},
                              {"us", base::or_null(priced.layers[i].estimate.total_us())}});
  }
  json["missing"] = lut::missing_json(priced.missing);
}

std::string arch_json(const ShownArch& shown, const Pricing* pricing) {
  const net::ParameterCount params = net::count_parameters(shown.net, shown.shapes);
  base::Json json = {
      {"space", shown.space.name()},
      {"architecture", shown.arch},
      {"blocks", shown.space.format_architecture(shown.arch)},
      {"precision", search::to_string(shown.precision)},
      {"macs", base::or_null(net::count_macs(shown.shapes).total())},
      {"params", params.weights},
      {"other_params", params.others},
      {"trained_params", search::trained_parameters(shown.space, shown.arch, shown.precision)}};
  add_memory(json, net::memory_use(shown.net, shown.shapes));
  if (pricing != nullptr) add_price(json, shown, *pricing);
  return base::json_text(json);
}

std::string part_us(const Part& part) {
  const auto total_us = part.estimate.total_us();
  return total_us ? format_us(*total_us) : "missing";
}

std::string price_text(const PricedArch& priced, const Pricing& pricing, const ArchOptions& options) {
  TextTable table({{"layer", Align::kRight}, {"block", Align::kLeft}, {"us", Align::kRight}});
  table.add_row({"", "fixed", part_us(priced.fixed)});
  for (size_t i = 0; i < priced.layers.size(); ++i) {
    table.add_row({std::to_string(i + 1), priced.layers[i].candidate, part_us(priced.layers[i])});
  }
  std::string text = fmt::format("\nMicroseconds on {}\n\n{}\n", pricing.text(), table.text());
  if (const auto total_us = priced.estimate.total_us()) {
    return text + fmt::format("total  {}\n", format_ms_and_us(*total_us)) +
           interval_text("       ", pricing.interval(priced.estimate));
  }
  return text + fmt::format(
                    "total  none: the table lacks {}\n{}"
                    "\nMeasure them on that device:  latgrad profile --space {} --precision {}{}\n",
                    format_count(priced.missing.size(), "operator"),
                    priced.missing.text(priced.missing.size()),
                    shell_word(find_space(options.space).string()), options.precision,
                    extended_table(options.pricing.lut));
}

std::string arch_text(const ShownArch& shown) {
  return fmt::format(
      "An architecture of {} in {}:\n{}\n\nMACs        {}\nparameters  {}, {} in training\nmemory      {}\n",
      shown.space.name(), search::to_string(shown.precision), shown.space.format_architecture(shown.arch),
      format_millions(net::count_macs(shown.shapes).macs),
      format_millions(net::count_parameters(shown.net, shown.shapes).weights),
      format_millions(search::trained_parameters(shown.space, shown.arch, shown.precision)),
      memory_text(shown.net, net::memory_use(shown.net, shown.shapes)));
}

int run(const ArchOptions& options) {
  const bool to_stdout = options.netdef == kStandardOutput;
  if (to_stdout && options.json) {
    throw CLI::ExcludesError("--json", "--netdef - (one document on standard output)");
  }
  const search::Precision precision = search::parse_precision(options.precision);
  search::Space space = load_space(options.space);
  search::Architecture arch = space.parse_architecture(options.arch);
  net::Net net = search::lower(space, arch, precision);
  net::NetShapes shapes = net::infer_shapes(net);
  ShownArch shown{std::move(space), std::move(arch),   precision,
                  std::move(net),   std::move(shapes), std::nullopt};
  std::optional<Pricing> pricing;
  if (!options.pricing.lut.empty()) {
    pricing = load_pricing(options.pricing);
    shown.priced = price(shown, *pricing);
  }
  if (!options.netdef.empty() && !to_stdout) net::write_netdef(shown.net, options.netdef);
  if (!options.init_out.empty()) net::write_netdef(net::init_net(shown.net), options.init_out);
  options.onnx.write(shown.net);
  if (to_stdout) {
    write_output(net::netdef_text(shown.net));
  } else if (options.json) {
    write_output(arch_json(shown, pricing ? &*pricing : nullptr));
  } else {
    write_text(arch_text(shown) + (pricing ? price_text(*shown.priced, *pricing, options) : ""));
  }
  return shown.priced && !shown.priced->estimate.all_found ? kSomethingMissing : kComplete;
}

}  // namespace

Command add_arch_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("arch", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<ArchOptions>();
  app->add_option("SPACE", options->space,
                  "A space file, or the name of one that comes with latgrad: fbnet, ...")
      ->required();
  app->add_option("ARCH", options->arch, "The architecture: a name, digits or block names")->required();
  add_pricing_options(*app, options->pricing);
  add_estimate_missing_option(*app, options->pricing);
  add_precision_option(*app, options->precision);
  app->add_flag("--json", options->json, "Print JSON");
  app->add_option("--netdef", options->netdef,
                  "Write the network: binary for .pb, else text; - prints the text instead of the price")
      ->type_name("FILE");
  app->add_option("--init-out", options->init_out, "Write its init net: shapes of the parameters, no values")
      ->type_name("FILE");
  add_onnx_output_options(*app, options->onnx);
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
