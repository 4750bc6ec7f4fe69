#include <fmt/format.h>

#include <memory>
#include <optional>
#include <set>

#include "command.h"
#include "latgrad/base/json.h"
#include "latgrad/base/listed.h"
#include "latgrad/lut/describe.h"
#include "latgrad/lut/missing_operators.h"
#include "latgrad/lut/reference_report.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/profile/networks.h"
#include "memory_text.h"
#include "net_options.h"
#include "onnx_output.h"
#include "output.h"
#include "pricing_options.h"
#include "quantities.h"
#include "text_table.h"

namespace latgrad::cli {

using base::Json;

namespace {

constexpr const char* kDescription =
    "Price a Caffe2 network or an ONNX model with a look-up table: the time of every operator, and their sum";

constexpr const char* kFooter =
    "Examples:\n"
    "  latgrad net models/FBNet-C/int8 --lut SM-G950U-7.0-24-op_lut_database.json.zip\n"
    "  latgrad net model.pb --init model_init.pb --input data=1,3,224,224 --lut lut.json --json\n"
    "  latgrad net model.onnx --input x=1,3,224,224 --lut lut.json\n"
    "  latgrad net models/FBNet-C/int8 --shapes\n"
    "  latgrad net models/FBNet-C/fp32 --onnx model.onnx\n\n"
    "Exit codes: 0 every operator has a time, 3 some have none (so there is no total), 1 error,\n"
    "2 wrong usage.";

constexpr size_t kListedMissing = 20;
constexpr size_t kListedUnread = 3;

struct NetOptions {
  std::string model;
  std::optional<std::string> init;
  std::vector<net::InputShape> inputs;
  PricingOptions pricing;
  bool json = false;
  bool reference = false;
  bool shapes = false;
  bool partial = false;
  bool allow_unknown = false;
  OnnxOutput onnx;

  profile::NetFiles files() const {
    profile::NetFiles files{.nets = {model}, .inits = {}, .inputs = inputs};
    if (init) files.inits = {*init};
    return files;
  }
};

struct PricedNet {
  net::Net net;
  std::vector<std::string> unread_parameters;
  net::NetShapes shapes;
  Pricing pricing;
  lut::Estimate estimate;
};

// Appended, not looked up: a network has many blobs.
void add_member(Json& object, const std::string& name, Json value) {
  object.get_ref<Json::object_t&>().emplace_back(name, std::move(value));
}

Json blob_shapes(const std::map<std::string, net::TensorInfo, std::less<>>& blobs) {
  Json shapes = Json::object();
  for (const auto& [blob, info] : blobs) add_member(shapes, blob, info.shape);
  return shapes;
}

std::string shapes_json(const net::Net& net, const net::NetShapes& shapes) {
  Json blobs = Json::object();
  std::set<std::string_view> written;
  for (const net::Operator& op : net.ops) {
    for (const std::string& blob : op.outputs) {
      if (!written.insert(blob).second) continue;
      const auto found = shapes.blobs.find(blob);
      add_member(blobs, blob, found == shapes.blobs.end() ? Json() : Json(found->second.shape));
    }
  }
  for (const auto& [blob, info] : net.constants) {
    if (written.insert(blob).second) add_member(blobs, blob, info.shape);
  }
  return base::json_text({{"inputs", blob_shapes(net.inputs)},
                          {"params", blob_shapes(net.parameters)},
                          {"blobs", std::move(blobs)}});
}

Json op_json(const PricedNet& priced, size_t i) {
  const net::Operator& op = priced.net.ops[i];
  const net::OpShapes& shapes = priced.shapes.ops[i];
  const lut::OpEstimate& estimate = priced.estimate.ops[i];
  Json input_shapes;
  if (shapes.known) {
    input_shapes = Json::array();
    for (const net::TensorInfo& input : shapes.inputs) input_shapes.push_back(input.shape);
  }
  return {{"index", i},
          {"type", op.type},
          {"inputs", op.inputs},
          {"outputs", op.outputs},
          {"input_shapes", std::move(input_shapes)},
          {"macs", base::or_null(shapes.macs)},
          {"status", lut::to_string(estimate.status)},
          {"us", base::or_null(estimate.time_us)},
          {"error_us", base::or_null(estimate.error_us)},
          {"records", estimate.records.size()},
          {"type_after_lookup", estimate.type_after_lookup}};
}

// Things that are not errors but may be mistakes.
std::vector<std::string> remarks(const std::vector<std::string>& unread) {
  if (unread.empty()) return {};
  return {fmt::format("no operator reads {} ({}): the network may have been cut off",
                      format_count(unread.size(), "parameter"), base::listed(unread, kListedUnread))};
}

std::string net_json(const PricedNet& priced, const NetOptions& options) {
  const net::ParameterCount params = net::count_parameters(priced.net, priced.shapes);
  Json json = {{"model", options.model}};
  priced.pricing.add_to(json);
  json["matching"] = options.reference ? "reference" : "meaning";
  json["total_us"] = base::or_null(priced.estimate.total_us());
  add_interval(json, priced.pricing.interval(priced.estimate));
  json["found_us"] = priced.estimate.found_us;
  json["all_found"] = priced.estimate.all_found;
  json["macs"] = base::or_null(net::count_macs(priced.shapes).total());
  json["params"] = params.complete ? Json(params.weights) : Json();
  json["other_params"] = params.complete ? Json(params.others) : Json();
  add_memory(json, net::memory_use(priced.net, priced.shapes));
  if (auto said = remarks(priced.unread_parameters); !said.empty()) json["remarks"] = std::move(said);
  json["ops"] = Json::array();
  for (size_t i = 0; i < priced.net.ops.size(); ++i) json["ops"].push_back(op_json(priced, i));
  return base::json_text(json);
}

std::string operator_text(const PricedNet& priced, size_t i) {
  const net::OpShapes& shapes = priced.shapes.ops[i];
  return shapes.known ? lut::describe(lut::operator_key(priced.net.ops[i], shapes))
                      : priced.net.ops[i].type + " of unknown shape";
}

std::string status_text(const lut::OpEstimate& op) {
  if (op.status == lut::Status::kSubstituted) return fmt::format("as {}", op.type_after_lookup);
  if (op.error_us) return fmt::format("{} +-{}", lut::to_string(op.status), format_us(*op.error_us));
  return std::string(lut::to_string(op.status));
}

std::string operator_table(const PricedNet& priced, bool with_shares) {
  TextTable table({{"op", Align::kRight},
                   {"operator", Align::kLeft},
                   {"status", Align::kLeft},
                   {"us", Align::kRight},
                   {"share", Align::kRight}});
  const lut::Estimate& estimate = priced.estimate;
  for (size_t i = 0; i < estimate.ops.size(); ++i) {
    const lut::OpEstimate& op = estimate.ops[i];
    const bool has_share = with_shares && op.time_us && estimate.found_us > 0;
    table.add_row({std::to_string(i), operator_text(priced, i), status_text(op),
                   op.time_us ? format_us(*op.time_us) : "-",
                   has_share ? fmt::format("{:.1f}%", 100 * *op.time_us / estimate.found_us) : "-"});
  }
  return table.text();
}

std::string missing_text(const PricedNet& priced, const NetOptions& options) {
  lut::MissingOperators missing;
  size_t count = 0;
  for (size_t i = 0; i < priced.net.ops.size(); ++i) {
    if (priced.estimate.ops[i].time_us) continue;
    ++count;
    const std::string user = fmt::format("op {}", i);
    if (priced.shapes.ops[i].known) {
      missing.add(lut::operator_key(priced.net.ops[i], priced.shapes.ops[i]), user);
    } else {
      missing.add_unknown(priced.net.ops[i].type, user);
    }
  }
  std::string text;
  if (options.partial) {
    text += fmt::format("partial sum  {}, without {} of {}\n", format_ms_and_us(priced.estimate.found_us),
                        count, format_count(priced.net.ops.size(), "operator"));
  } else {
    text += fmt::format(
        "total        none: {} of {} lack a record (--partial sums the others, --estimate-missing estimates "
        "them)\n",
        count, format_count(priced.net.ops.size(), "operator"));
  }
  return text + fmt::format(
                    "\nMissing in {} for {}:\n{}\n"
                    "Measure them on that device:  latgrad profile{}{}\n",
                    options.pricing.lut.string(), priced.pricing.options.device, missing.text(kListedMissing),
                    net_arguments(options.files()), extended_table(options.pricing.lut));
}

std::string net_text(const PricedNet& priced, const NetOptions& options) {
  // A share of an incomplete sum would look like a share of the network.
  const bool with_shares = priced.estimate.all_found || options.partial;
  std::string text = fmt::format("{} on {}\n\n{}\n", options.model, priced.pricing.text(),
                                 operator_table(priced, with_shares));
  const net::MacCount macs = net::count_macs(priced.shapes);
  const net::ParameterCount params = net::count_parameters(priced.net, priced.shapes);
  text += fmt::format("MACs         {}{}\nparameters   {}{}\n", macs.complete ? "" : "at least ",
                      format_millions(macs.macs), params.complete ? "" : "at least ",
                      format_millions(params.weights));
  text +=
      fmt::format("memory       {}\n", memory_text(priced.net, net::memory_use(priced.net, priced.shapes)));
  for (const std::string& remark : remarks(priced.unread_parameters))
    text += fmt::format("remark       {}\n", remark);
  if (const auto total_us = priced.estimate.total_us()) {
    text += fmt::format("total        {}\n", format_ms_and_us(*total_us));
    text += interval_text("interval     ", priced.pricing.interval(priced.estimate));
  } else {
    text += missing_text(priced, options);
  }
  return text;
}

int run(const NetOptions& options) {
  const bool is_priced = !options.pricing.lut.empty();
  if (!options.shapes && !options.onnx.is_asked() && !is_priced) {
    throw CLI::RequiredError("--lut (or --shapes or --onnx, which need none)");
  }
  profile::NamedNet named = std::move(profile::read_nets(options.files()).front());
  net::Net& net = named.net;
  options.onnx.write(net);
  if (!options.shapes && !is_priced) return kComplete;
  net::NetShapes shapes =
      net::infer_shapes(net, {.allow_unknown = options.allow_unknown, .list_blobs = options.shapes});
  if (options.shapes) {
    write_output(shapes_json(net, shapes));
    return kComplete;
  }
  Pricing pricing = load_pricing(options.pricing);
  if (options.reference) pricing.options.matching = lut::Matching::kReference;
  lut::Estimate estimate = pricing.estimate(net, shapes);
  const PricedNet priced{std::move(net), std::move(named.unread_parameters), std::move(shapes),
                         std::move(pricing), std::move(estimate)};
  if (options.json) {
    write_output(net_json(priced, options));
  } else if (options.reference) {
    write_output(lut::reference_report(priced.net, priced.shapes, priced.pricing.table, priced.estimate));
  } else {
    write_text(net_text(priced, options));
  }
  return priced.estimate.all_found ? kComplete : kSomethingMissing;
}

}  // namespace

Command add_net_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("net", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<NetOptions>();
  app->add_option("MODEL", options->model,
                  "A Caffe2 network or an ONNX model: a folder with model.pb, model.pbtxt or model.onnx, or "
                  "such a file")
      ->required();
  add_pricing_options(*app, options->pricing);
  add_estimate_missing_option(*app, options->pricing);
  app->add_option("--init", options->init,
                  "The init net of a Caffe2 network, for the shapes of its parameters [found next to MODEL]")
      ->type_name("FILE");
  add_input_option(*app, options->inputs);
  app->add_flag("--json", options->json,
                "Print JSON: total_us, found_us, all_found, macs, params, peak_activation_bytes, ops");
  app->add_flag("--partial", options->partial, "When operators are missing, print the sum of the others");
  app->add_flag("--reference", options->reference,
                "Match as the published LUT tool does, text against text, and print its output")
      ->excludes(app->get_option("--statistic"));
  app->add_flag("--shapes", options->shapes, "Print the shape of every blob as JSON; prices nothing");
  app->add_flag("--allow-unknown", options->allow_unknown,
                "Treat operators of unknown type as missing instead of as errors");
  add_onnx_output_options(*app, options->onnx);
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
