// Quantised networks of ONNX as Caffe2 has them: a float operator between Int8Dequantize and Int8Quantize is
// an Int8 operator, of images with the channels last.

#pragma once

#include <deque>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// Makes Int8 operators of what lies between Int8Dequantize and Int8Quantize, and of operators whose inputs
// are quantised, where there is an Int8 operator of that type. A ReLU before the Int8Quantize is part of the
// operator, or of the quantisation where that cannot give negative numbers. `folded` are the operators whose
// results are constants: the weights. The layout stays NCHW. False: the network is not quantised.
bool fuse_quantised(Net& net, std::vector<OpShapes>& shapes, const std::deque<Operator>& folded);

// Lays out quantised images, and their weights, with the channels last: NCHW2NHWC goes before the
// Int8Quantize, NHWC2NCHW behind the Int8Dequantize, and an Int8Transpose where an operator counts on another
// order. Blobs with the channels last are called `NAME_nhwc`. Returns the shapes of the operators.
std::vector<OpShapes> lay_out_quantised(Net& net, const std::vector<OpShapes>& shapes);

}  // namespace latgrad::net
