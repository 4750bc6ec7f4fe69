// A latency model in a file: names and figures, and the text of the space where there is one. Needs neither
// the LUT nor torch.
//
//   const SavedModel model = load_latency_model("network.pt2");
//   model.estimate_us({1, 0, 2});     // the price of an architecture
//   model.interval_us({1, 0, 2});     // where nine of ten of its measured times lie, of a calibrated model
//   model.decode({1, 0, 2});          // the names of its candidates
//
// The file is JSON, by itself or as an extra file of a `.pt2` package of PyTorch: docs/training.md says how
// Python writes it, and the top of src/saved_model.cpp what stands in it. A plain value; linear in the file.

#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/search/operator_posterior.h"
#include "latgrad/search/space.h"

namespace latgrad::search {

// The name of the file inside a package.
inline constexpr std::string_view kSavedModelName = "latgrad_model.json";

struct SavedModel {
  struct Layer {
    std::string name;
    std::vector<std::string> candidates;  // names, by index
    std::vector<bool> offered;            // as many
  };
  struct Figures {
    std::string statistic;         // "p50"
    std::vector<double> fixed_us;  // [D]
    std::vector<double> table_us;  // [D, L, C], row-major; 0 where not offered
  };
  // How the figures of a calibrated model err together: their covariance is factor^T factor.
  struct Errors {
    double noise;  // the scale of the errors of measured times, as a share of them
    std::vector<double>
        factor_us;  // [R, L * C + 1], row-major: candidates, layer by layer, and the fixed part
  };

  std::string space;      // the space file without `base`; empty: the model was made of a table
  std::string precision;  // "int8" or "fp32"; empty without a space
  std::vector<std::string> devices;
  std::vector<Layer> layers;
  size_t num_candidates = 0;          // C, at least as many as the widest layer has
  std::vector<Figures> figures;       // at least one
  std::optional<Errors> errors = {};  // only of a model of one device
  // Of a network that carries the model: its architecture, and the statistic that prices it.
  std::optional<Architecture> architecture = {};
  std::string statistic = "p50";

  // The price of an architecture on a device, by index, with the fixed part.
  // Errors: ValueError for a wrong length, a candidate that is not offered, a device out of range, or a
  // statistic that the model does not have.
  double estimate_us(const Architecture& arch, std::string_view statistic = "p50", size_t device = 0) const;
  // The price and the interval of its measured time.
  // Errors: ValueError as estimate_us; for a model that says nothing of its errors.
  Interval interval_us(const Architecture& arch) const;
  // Errors: as estimate_us.
  std::vector<std::string> decode(const Architecture& arch) const;
};

std::string saved_model_text(const SavedModel& model);

// `source` is the file that errors name.
// Errors: ParseError for what is no saved model, was saved by a later version, or contradicts itself.
SavedModel parse_saved_model(std::string_view text, const std::string& source);

// From the JSON or the package. Errors: IoError; as parse_saved_model; for a package without a model.
SavedModel load_latency_model(const std::filesystem::path& path);

}  // namespace latgrad::search
