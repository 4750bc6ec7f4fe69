#include "latgrad/plugin/search_space.h"

#include <ATen/ATen.h>

#include <optional>

#include "classes/error_translation.h"
#include "classes/offered_mask.h"
#include "classes/register_classes.h"
#include "latgrad/search/blocks.h"
#include "latgrad/search/scaling.h"
#include "latgrad/search/space.h"

namespace latgrad {

struct SearchSpace::Impl {
  search::Space space;
};

namespace {

SearchSpace::Convolution dictionary(const search::Convolution& conv) {
  SearchSpace::Convolution entries;
  entries.insert("in_channels", conv.in_channels);
  entries.insert("out_channels", conv.out_channels);
  entries.insert("kernel", conv.kernel);
  entries.insert("stride", conv.stride);
  entries.insert("pad", conv.pad);
  entries.insert("dilation", conv.dilation);
  entries.insert("groups", conv.groups);
  entries.insert("bias", conv.bias ? 1 : 0);
  entries.insert("relu", conv.relu ? 1 : 0);
  entries.insert("shuffled", conv.shuffled ? 1 : 0);
  return entries;
}

std::vector<SearchSpace::Convolution> list_of(const std::optional<search::Convolution>& conv) {
  if (!conv) return {};
  return {dictionary(*conv)};
}

std::optional<int64_t> unless_zero(int64_t number) {
  return number == 0 ? std::nullopt : std::optional(number);
}

}  // namespace

SearchSpace::SearchSpace(const std::string& path)
    : impl_(translate_errors([&] { return std::make_unique<const Impl>(Impl{search::Space::load(path)}); })) {
}

SearchSpace::SearchSpace(const State& state)
    : impl_(translate_errors([&] {
        const auto& [version, text] = state;
        TORCH_CHECK_VALUE(version == kStateVersion, "the state of a SearchSpace must have version ",
                          kStateVersion, ", got ", version, ": it was saved by another version of latgrad");
        return std::make_unique<const Impl>(Impl{search::Space::parse(text, "saved SearchSpace")});
      })) {}

SearchSpace::~SearchSpace() = default;

SearchSpace::State SearchSpace::state() const { return {kStateVersion, text()}; }

std::string SearchSpace::name() const { return impl_->space.name(); }

std::string SearchSpace::text() const {
  return translate_errors([&] { return impl_->space.text(); });
}

std::vector<int64_t> SearchSpace::input_shape() const { return impl_->space.input_shape(); }

int64_t SearchSpace::classes() const {
  return search::fixed_part(impl_->space, search::Precision::kFp32).classes;
}

int64_t SearchSpace::pooled_channels() const {
  return search::fixed_part(impl_->space, search::Precision::kFp32).pooled_channels;
}

int64_t SearchSpace::layers() const { return static_cast<int64_t>(impl_->space.layers().size()); }

at::Tensor SearchSpace::valid() const { return offered_mask(impl_->space); }

std::vector<std::string> SearchSpace::candidates(int64_t layer) const {
  TORCH_CHECK_VALUE(layer >= 0 && layer < layers(), "layer must be from 0 to ", layers() - 1, ", got ",
                    layer);
  return impl_->space.layers()[layer].candidates;
}

c10::intrusive_ptr<SearchSpace> SearchSpace::scaled(double width, double depth, int64_t resolution,
                                                    int64_t classes) const {
  return translate_errors([&] {
    const search::Space space = search::scaled(impl_->space, {.width = width,
                                                              .depth = depth,
                                                              .resolution = unless_zero(resolution),
                                                              .classes = unless_zero(classes)});
    return c10::make_intrusive<SearchSpace>(State{kStateVersion, space.text()});
  });
}

std::tuple<std::vector<SearchSpace::Convolution>, bool> SearchSpace::block(
    int64_t layer, int64_t candidate, const std::string& precision) const {
  TORCH_CHECK_VALUE(layer >= 0 && layer < layers(), "layer must be from 0 to ", layers() - 1, ", got ",
                    layer);
  TORCH_CHECK_VALUE(candidate >= 0, "candidate must not be negative, got ", candidate);
  return translate_errors([&] {
    const search::Block block =
        search::block_at(impl_->space, static_cast<size_t>(layer), static_cast<size_t>(candidate),
                         search::parse_precision(precision));
    std::vector<Convolution> convolutions;
    for (const search::Convolution& conv : block.convolutions) convolutions.push_back(dictionary(conv));
    return std::make_tuple(std::move(convolutions), block.residual);
  });
}

std::vector<SearchSpace::Convolution> SearchSpace::stem(const std::string& precision) const {
  return translate_errors(
      [&] { return list_of(search::fixed_part(impl_->space, search::parse_precision(precision)).stem); });
}

std::vector<SearchSpace::Convolution> SearchSpace::head(const std::string& precision) const {
  return translate_errors(
      [&] { return list_of(search::fixed_part(impl_->space, search::parse_precision(precision)).head); });
}

at::Tensor SearchSpace::parse_architecture(const std::string& text) const {
  const search::Architecture arch = translate_errors([&] { return impl_->space.parse_architecture(text); });
  return at::tensor(std::vector<int64_t>(arch.begin(), arch.end()), at::kLong);
}

std::string SearchSpace::format_architecture(const at::Tensor& arch) const {
  TORCH_CHECK_VALUE(arch.scalar_type() == at::kByte || arch.scalar_type() == at::kLong,
                    "arch must be uint8 or int64, got ", arch.scalar_type());
  TORCH_CHECK_VALUE(arch.dim() == 1, "arch must be one architecture, [", layers(), "], got ", arch.sizes());
  const at::Tensor indexes = arch.cpu().to(at::kLong).contiguous();
  search::Architecture choices;
  for (int64_t layer = 0; layer < indexes.numel(); ++layer) {
    const int64_t choice = indexes.data_ptr<int64_t>()[layer];
    // What does not fit an int is out of range in every layer.
    choices.push_back(choice == static_cast<int>(choice) ? static_cast<int>(choice) : -1);
  }
  return translate_errors([&] { return impl_->space.format_architecture(choices); });
}

void register_search_space(torch::Library& library) {
  library.class_<SearchSpace>("SearchSpace")
      .def(torch::init<std::string>(), "A search space, read from its file.", {torch::arg("path")})
      .def("name", &SearchSpace::name)
      .def("text", &SearchSpace::text)
      .def("input_shape", &SearchSpace::input_shape)
      .def("classes", &SearchSpace::classes)
      .def("pooled_channels", &SearchSpace::pooled_channels)
      .def("layers", &SearchSpace::layers)
      .def("valid", &SearchSpace::valid)
      .def("candidates", &SearchSpace::candidates, "", {torch::arg("layer")})
      .def("scaled", &SearchSpace::scaled, "",
           {torch::arg("width") = 1.0, torch::arg("depth") = 1.0, torch::arg("resolution") = 0,
            torch::arg("classes") = 0})
      .def("block", &SearchSpace::block, "",
           {torch::arg("layer"), torch::arg("candidate"), torch::arg("precision") = "int8"})
      .def("stem", &SearchSpace::stem, "", {torch::arg("precision") = "int8"})
      .def("head", &SearchSpace::head, "", {torch::arg("precision") = "int8"})
      .def("parse_architecture", &SearchSpace::parse_architecture, "", {torch::arg("text")})
      .def("format_architecture", &SearchSpace::format_architecture, "", {torch::arg("arch")})
      .def_pickle([](const c10::intrusive_ptr<SearchSpace>& self) { return self->state(); },
                  [](const SearchSpace::State& state) { return c10::make_intrusive<SearchSpace>(state); });
}

}  // namespace latgrad
