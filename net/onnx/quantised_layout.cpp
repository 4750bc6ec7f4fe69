#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "latgrad/net/arguments.h"
#include "latgrad/net/registry.h"
#include "quantised.h"

namespace latgrad::net {
namespace {

constexpr size_t kImageRank = 4;

Shape channels_last(const Shape& image) { return {image[0], image[2], image[3], image[1]}; }

bool may_be_image(const TensorInfo& info) {
  return info.dtype == DataType::kUint8 && info.shape.size() == kImageRank;
}

// Operators of images, and those that leave the order of dimensions as it is.
bool keeps_layout(std::string_view type) {
  return (type.starts_with("Int8") && type != "Int8Transpose" && type != "Int8Softmax" && type != "Int8FC" &&
          type != "Int8FCRelu" && type != "Int8Quantize" && type != "Int8Dequantize") ||
         type == "Split";
}

bool needs_image(const Operator& op) {
  return window_kind(op.type) != WindowKind::kNone || op.type == "Int8ChannelShuffle" ||
         op.type == "Int8ResizeNearest";
}

// Which quantised blobs of four dimensions are images: those that reach an operator of images through
// operators that leave the order of dimensions as it is. The others, of attention for example, are no
// concern of layouts.
class Images {
 public:
  Images(const Net& net, const std::vector<OpShapes>& shapes) {
    for (size_t i = 0; i < net.ops.size(); ++i) {
      const Operator& op = net.ops[i];
      const OperatorType* row = find_operator_type(op.type);
      if (!shapes[i].known || !keeps_layout(op.type) || (row != nullptr && row->is_view)) continue;
      const std::string* first = nullptr;
      const auto join = [&](const std::string& blob, const TensorInfo& info) {
        if (!may_be_image(info)) return;
        if (first == nullptr) first = &blob;
        groups_[group_of(blob)] = group_of(*first);
      };
      for (size_t j = 0; j < op.inputs.size() && j < shapes[i].inputs.size(); ++j) {
        if (row == nullptr || row->reads_activation(j)) join(op.inputs[j], shapes[i].inputs[j]);
      }
      for (size_t j = 0; j < op.outputs.size(); ++j) join(op.outputs[j], shapes[i].outputs[j]);
      if (first != nullptr && needs_image(op)) of_images_.push_back(*first);
    }
    for (const std::string& blob : of_images_) image_groups_.insert(group_of(blob));
  }

  bool contains(const std::string& blob) {
    return groups_.contains(blob) && image_groups_.contains(group_of(blob));
  }

 private:
  // The name that stands for a group.
  std::string group_of(const std::string& blob) {
    std::string name = blob;
    for (;;) {
      std::string& above = groups_.try_emplace(name, name).first->second;
      if (above == name) break;
      above = groups_.at(above);  // half the way next time
      name = above;
    }
    return name;
  }

  std::unordered_map<std::string, std::string> groups_;
  std::vector<std::string> of_images_;
  std::unordered_set<std::string> image_groups_;
};

// Elements in the same order, wherever the channels are.
bool has_one_pixel(const Shape& image) { return image[2] == 1 && image[3] == 1; }

Argument* find_argument(Operator& op, std::string_view name) {
  const auto it = std::ranges::find(op.args, name, &Argument::name);
  return it == op.args.end() ? nullptr : &*it;
}

class Layout {
 public:
  Layout(Net& net, const std::vector<OpShapes>& shapes) : net_(net), shapes_(shapes), images_(net, shapes) {
    for (const Operator& op : net.ops) names_.insert(op.outputs.begin(), op.outputs.end());
    for (const auto& [name, info] : net.inputs) names_.insert(name);
    for (const auto& [name, info] : net.parameters) names_.insert(name);
    for (const auto& [name, info] : net.constants) names_.insert(name);
  }

  void run() && {
    for (size_t i = 0; i < net_.ops.size(); ++i) lay_out(std::move(net_.ops[i]), shapes_[i]);
    for (const std::string& output : net_.external_outputs) as_it_is(output);
    // Values whose own layout nobody reads.
    for (const auto& [blob, form] : forms_) {
      if (!form.is_written) net_.constants[blob] = form.info;
    }
    net_.ops = std::move(ops_);
    add_parameters();
  }

 private:
  // A blob in the layouts that operators have written so far. Blobs without one have their own.
  struct Form {
    TensorInfo info;  // in its own layout
    bool is_written = true;
    std::string channels_last = {};
  };

  std::string fresh(const std::string& blob) {
    std::string name = blob + "_nhwc";
    for (size_t number = 2; !names_.insert(name).second; ++number)
      name = fmt::format("{}_nhwc_{}", blob, number);
    return name;
  }

  Form& form(const std::string& blob, const TensorInfo& info) {
    return forms_.try_emplace(blob, Form{.info = info}).first->second;
  }

  void add(std::string_view type, const std::string& from, const std::string& to, std::vector<int64_t> axes) {
    Operator op;
    op.type = type;
    op.inputs = {from};
    op.outputs = {to};
    if (!axes.empty()) {
      Argument argument;
      argument.name = "axes";
      argument.ints = std::move(axes);
      op.args.push_back(std::move(argument));
    }
    ops_.push_back(std::move(op));
  }

  // The blob in its own layout.
  const std::string& as_it_is(const std::string& blob) {
    const auto it = forms_.find(blob);
    if (it == forms_.end() || it->second.is_written) return blob;
    if (it->second.info.dtype == DataType::kUint8) {
      add("Int8Transpose", it->second.channels_last, blob, {0, 3, 1, 2});
    } else {
      add("NHWC2NCHW", it->second.channels_last, blob, {});
    }
    it->second.is_written = true;
    return blob;
  }

  const std::string& as_channels_last(const std::string& blob, const TensorInfo& info) {
    Form& form = this->form(blob, info);
    if (form.channels_last.empty()) {
      form.channels_last = fresh(blob);
      if (info.dtype == DataType::kUint8) {
        add("Int8Transpose", blob, form.channels_last, {0, 2, 3, 1});
      } else {
        add("NCHW2NHWC", blob, form.channels_last, {});
      }
    }
    return form.channels_last;
  }

  // The name of what an operator writes with the channels last.
  std::string write_channels_last(const std::string& blob, const TensorInfo& info) {
    Form& form = forms_[blob];
    form = {.info = info, .is_written = false, .channels_last = fresh(blob)};
    return form.channels_last;
  }

  void lay_out(Operator op, const OpShapes& shapes) {
    const bool has_image_in = shapes.known && !op.inputs.empty() && images_.contains(op.inputs[0]);
    const bool has_image_out = shapes.known && images_.contains(op.outputs[0]);
    const OperatorType* row = find_operator_type(op.type);
    if (op.type == "Int8Quantize" ? has_image_out : op.type == "Int8Dequantize" && has_image_in) {
      op.inputs[0] = as_channels_last(op.inputs[0], shapes.inputs[0]);
      op.outputs[0] = write_channels_last(op.outputs[0], shapes.outputs[0]);
    } else if (row != nullptr && row->is_view) {
      lay_out_view(op, shapes, has_image_in, has_image_out);
    } else if (has_image_in && (op.type == "Int8FC" || op.type == "Int8FCRelu")) {
      // The columns of the weights are in the order of the image's elements.
      op.inputs[0] = as_channels_last(op.inputs[0], shapes.inputs[0]);
    } else if (has_image_in && keeps_layout(op.type)) {
      lay_out_image(op, shapes);
    } else {
      for (std::string& input : op.inputs) input = as_it_is(input);
    }
    ops_.push_back(std::move(op));
  }

  // Windows and elementwise operators take images as they come; axes are counted anew.
  void lay_out_image(Operator& op, const OpShapes& shapes) {
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      if (may_be_image(shapes.inputs[i])) op.inputs[i] = read_image(op, i, shapes);
    }
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      if (may_be_image(shapes.outputs[i]))
        op.outputs[i] = write_channels_last(op.outputs[i], shapes.outputs[i]);
    }
    if (Argument* axis = find_argument(op, "axis"); axis != nullptr && axis->i) {
      constexpr std::array<int64_t, kImageRank> kPlaces = {0, 3, 1, 2};
      axis->i = kPlaces[static_cast<size_t>(*axis->i < 0 ? *axis->i + 4 : *axis->i)];
    }
    for (const char* name : {"starts", "ends", "steps"}) {
      if (Argument* bounds = find_argument(op, name);
          bounds != nullptr && bounds->ints.size() == kImageRank) {
        bounds->ints = channels_last(bounds->ints);
      }
    }
  }

  // An activation or, of a convolution, the weight.
  std::string read_image(const Operator& op, size_t input, const OpShapes& shapes) {
    const std::string& blob = op.inputs[input];
    const OperatorType* row = find_operator_type(op.type);
    const bool is_weight = row != nullptr && !row->reads_activation(input);
    if (!is_weight) return as_channels_last(blob, shapes.inputs[input]);
    std::string& weight = weights_[blob];
    if (weight.empty()) weight = fresh(blob);
    return weight;
  }

  // A view counts on the order of the elements, which is the same for one pixel.
  void lay_out_view(Operator& op, const OpShapes& shapes, bool has_image_in, bool has_image_out) {
    const bool reads_pixel = has_image_in && has_one_pixel(shapes.inputs[0].shape);
    op.inputs[0] = reads_pixel ? as_channels_last(op.inputs[0], shapes.inputs[0]) : as_it_is(op.inputs[0]);
    if (!has_image_out || !has_one_pixel(shapes.outputs[0].shape)) return;
    op.outputs[0] = write_channels_last(op.outputs[0], shapes.outputs[0]);
    if (Argument* shape = find_argument(op, "shape"); shape != nullptr) {
      shape->ints = channels_last(shapes.outputs[0].shape);
    }
  }

  // Weights that are read with the channels last, and by nobody else, are parameters in that form alone.
  void add_parameters() {
    std::unordered_set<std::string_view> read;
    for (const Operator& op : net_.ops) read.insert(op.inputs.begin(), op.inputs.end());
    read.insert(net_.external_outputs.begin(), net_.external_outputs.end());
    for (const auto& [blob, name] : weights_) {
      TensorInfo info = net_.parameters.at(blob);
      info.shape = channels_last(info.shape);
      net_.parameters[name] = std::move(info);
      if (read.contains(blob)) continue;
      net_.parameters.erase(blob);
      net_.parameter_values.erase(blob);
    }
  }

  Net& net_;
  const std::vector<OpShapes>& shapes_;
  Images images_;
  std::vector<Operator> ops_;
  std::unordered_map<std::string, Form> forms_;
  std::unordered_map<std::string, std::string> weights_;  // the form with the channels last
  std::unordered_set<std::string> names_;
};

}  // namespace

std::vector<OpShapes> lay_out_quantised(Net& net, const std::vector<OpShapes>& shapes) {
  Layout(net, shapes).run();
  return std::move(
      infer_shapes(net, {.allow_unknown = true, .allow_open_inputs = true, .list_blobs = false}).ops);
}

}  // namespace latgrad::net
